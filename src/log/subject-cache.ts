import type { SubjectState } from "./plan.ts";

/** Subjects whose state is kept at hand; about 10 MB. */
const CAPACITY = 50_000;

/**
 * The state of recently written subjects. It only saves a read: an append that rests on an outdated entry is
 * refused by the database (guarantee 10).
 */
export interface SubjectCache {
  get(name: string): SubjectState | undefined;
  set(name: string, state: SubjectState): void;
  delete(name: string): void;
}

/** Two generations instead of a full order of use: no bookkeeping on a hit, and never more than the capacity. */
export function createSubjectCache(capacity = CAPACITY): SubjectCache {
  let young = new Map<string, SubjectState>();
  let old = new Map<string, SubjectState>();
  const set = (name: string, state: SubjectState) => {
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
  };
}
