/** What an entry takes beside its name and what hangs on its state, in bytes: its place, and the state itself. */
const ENTRY_BYTES = 200;

/**
 * The state of recently written subjects. It only saves a read: an append that rests on an outdated entry is
 * refused by the database (guarantee 10).
 */
export interface SubjectCache<State> {
  get(name: string): State | undefined;
  set(name: string, state: State): void;
  delete(name: string): void;
  clear(): void;
}

interface Generation<State> {
  readonly states: Map<string, State>;
  bytes: number;
}

/**
 * Keeps at most about so many bytes. `charactersOf` says how long the text is that hangs on a state.
 *
 * Two generations instead of a full order of use: no bookkeeping on a hit, and never more than the capacity.
 */
export function createSubjectCache<State>(
  capacityBytes: number,
  charactersOf: (state: State) => number,
): SubjectCache<State> {
  const generation = (): Generation<State> => ({ states: new Map(), bytes: 0 });
  let young = generation();
  let old = generation();
  const bytesOf = (name: string, state: State) => ENTRY_BYTES + name.length + charactersOf(state);
  const set = (name: string, state: State) => {
    const before = young.states.get(name);
    young.states.set(name, state);
    young.bytes += bytesOf(name, state) - (before === undefined ? 0 : bytesOf(name, before));
    if (young.bytes < capacityBytes / 2) return;
    old = young;
    young = generation();
  };
  const remove = (from: Generation<State>, name: string) => {
    const state = from.states.get(name);
    if (state === undefined) return;
    from.states.delete(name);
    from.bytes -= bytesOf(name, state);
  };
  return {
    get(name) {
      const state = young.states.get(name);
      if (state !== undefined) return state;
      const older = old.states.get(name);
      if (older !== undefined) set(name, older);
      return older;
    },
    set,
    delete(name) {
      remove(young, name);
      remove(old, name);
    },
    clear() {
      young = generation();
      old = generation();
    },
  };
}
