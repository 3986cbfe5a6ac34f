import type { ObservedLog } from "../log-state.ts";

/** Notices that events of a log were truncated or erased, in any process. */
export interface Removals {
  note(seen: ObservedLog): void;
  /** Adds a listener; returns the function that removes it. */
  listen(listener: () => void): () => void;
}

export function createRemovals(): Removals {
  /** How often events were removed, as last seen; null before the first look. */
  let count: number | null = null;
  const listeners = new Set<() => void>();
  return {
    note({ identity, removals }) {
      if (identity === "" || removals === count) return;
      const isNews = count !== null;
      count = removals;
      if (!isNews) return;
      for (const listener of listeners) listener();
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
