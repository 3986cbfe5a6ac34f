/** Calls of the database that one invocation may make; the runtime fails those beyond. */
export interface Calls {
  /** Notes one. */
  spend(): void;
  /** Aborts when only those are left that it takes to finish what is under way. */
  readonly signal: AbortSignal;
}

/** What the longest single step may still take, with letting go of its lease. */
const RESERVED_CALLS = 10;

/** @param most null: as many as it takes */
export function countCalls(most: number | null): Calls {
  const scarce = new AbortController();
  let spent = 0;
  return {
    signal: scarce.signal,
    spend() {
      spent += 1;
      if (most !== null && spent >= most - RESERVED_CALLS) scarce.abort();
    },
  };
}
