/** Bytes of an entry beside its name and the text of its state: its place in the map, and the state itself. */
const ENTRY_BYTES = 200;

/**
 * The state of recently written subjects. It only saves a read: an append that rests on an outdated entry is
 * refused by the database (guarantee 10).
 */
export interface SubjectCache<State extends object> {
  get(name: string): State | undefined;
  set(name: string, state: State): void;
  delete(name: string): void;
  clear(): void;
}

/**
 * Keeps at most about so many bytes. `charactersOf` returns the length of the text that a state refers to.
 *
 * Two generations instead of a full order of use: no bookkeeping on a hit, and never more than the capacity. Each state
 * has a holder, which keeps its place in the map when the name is set again: the garbage collector goes through a whole
 * map again in which an entry was replaced, however large it is.
 */
export function createSubjectCache<State extends object>(
  capacityBytes: number,
  charactersOf: (state: State) => number,
): SubjectCache<State> {
  interface Holder {
    state: State;
  }
  let young = new Map<string, Holder>();
  let youngBytes = 0;
  let old = new Map<string, Holder>();
  const bytesOf = (name: string, state: State) => ENTRY_BYTES + name.length + charactersOf(state);
  const renew = () => {
    young = new Map();
    youngBytes = 0;
  };
  const set = (name: string, state: State) => {
    const kept = young.get(name);
    if (kept === undefined) {
      youngBytes += bytesOf(name, state);
      young.set(name, { state });
    } else {
      youngBytes += charactersOf(state) - charactersOf(kept.state);
      kept.state = state;
    }
    if (youngBytes < capacityBytes / 2) return;
    old = young;
    renew();
  };
  return {
    get(name) {
      const kept = young.get(name);
      if (kept !== undefined) return kept.state;
      const older = old.get(name);
      if (older === undefined) return undefined;
      set(name, older.state);
      return older.state;
    },
    set,
    delete(name) {
      const kept = young.get(name);
      if (kept !== undefined) youngBytes -= bytesOf(name, kept.state);
      young.delete(name);
      old.delete(name);
    },
    clear() {
      renew();
      old = new Map();
    },
  };
}
