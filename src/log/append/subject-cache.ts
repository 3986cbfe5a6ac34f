/** Bytes of an entry beside its name and the text of its state: its place in the map, and the state itself. */
const ENTRY_BYTES = 200;

/**
 * The state of recently written subjects. It only saves a read: an append that rests on an outdated entry is
 * refused by the database (guarantee 10).
 */
export interface SubjectCache<State extends object> {
  /** The cached object itself, which changes when the name is set again. */
  get(name: string): State | undefined;
  set(name: string, state: State): void;
  delete(name: string): void;
  clear(): void;
}

/**
 * Keeps at most about so many bytes. `charactersOf` returns the length of the text that a state refers to.
 *
 * Two generations instead of a full order of use: no bookkeeping on a hit, and never more than the capacity. A state
 * that is set again is changed in place: the garbage collector goes through a whole map again in which an entry was
 * replaced, however large it is.
 */
export function createSubjectCache<State extends object>(
  capacityBytes: number,
  charactersOf: (state: State) => number,
): SubjectCache<State> {
  let young = new Map<string, State>();
  let youngBytes = 0;
  let old = new Map<string, State>();
  const bytesOf = (name: string, state: State | undefined) =>
    state === undefined ? 0 : ENTRY_BYTES + name.length + charactersOf(state);
  const renew = () => {
    young = new Map();
    youngBytes = 0;
  };
  const set = (name: string, state: State) => {
    const kept = young.get(name);
    youngBytes += bytesOf(name, state) - bytesOf(name, kept);
    if (kept === undefined) young.set(name, { ...state });
    else Object.assign(kept, state);
    if (youngBytes < capacityBytes / 2) return;
    old = young;
    renew();
  };
  return {
    get(name) {
      const state = young.get(name);
      if (state !== undefined) return state;
      const older = old.get(name);
      if (older !== undefined) set(name, older);
      return older;
    },
    set,
    delete(name) {
      youngBytes -= bytesOf(name, young.get(name));
      young.delete(name);
      old.delete(name);
    },
    clear() {
      renew();
      old = new Map();
    },
  };
}
