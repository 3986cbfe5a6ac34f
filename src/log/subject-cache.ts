/** Subjects whose state is kept at hand; about 10 MB. */
const CAPACITY = 50_000;

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

/** Two generations instead of a full order of use: no bookkeeping on a hit, and never more than the capacity. */
export function createSubjectCache<State>(capacity = CAPACITY): SubjectCache<State> {
  let young = new Map<string, State>();
  let old = new Map<string, State>();
  const set = (name: string, state: State) => {
    young.set(name, state);
    if (young.size < capacity / 2) return;
    old = young;
    young = new Map();
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
      young.delete(name);
      old.delete(name);
    },
    clear() {
      young = new Map();
      old = new Map();
    },
  };
}
