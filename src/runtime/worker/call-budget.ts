/** Calls of the database, and deliveries, that one invocation may make; the runtime fails those beyond. */
export interface Calls {
  /** Counts one call. */
  spend(): void;
  /** Aborts when only the calls remain that finish the work in progress and store it. */
  readonly signal: AbortSignal;
  /** Returns a signal that aborts when one of `parts` equal parts of the remaining calls is spent. */
  share(parts: number): AbortSignal;
}

/** Calls that the longest single step still needs, with storing its progress and releasing its lease. */
const RESERVED_CALLS = 10;

/**
 * Smallest share: finding the lag of two subscriptions takes some 20 calls, and the rest delivers some of it. Jobs
 * that get no calls because they come last come first another time; see `runSlices`.
 */
const LEAST_SHARE = 25;

/** @param most null: no limit */
export function countCalls(most: number | null): Calls {
  const scarce = new AbortController();
  const shares = new Set<{ readonly upTo: number; readonly ended: AbortController }>();
  let spent = 0;
  return {
    signal: scarce.signal,
    spend() {
      spent += 1;
      if (most === null) return;
      if (spent >= most - RESERVED_CALLS) scarce.abort();
      for (const share of shares) {
        if (spent < share.upTo) continue;
        shares.delete(share);
        share.ended.abort();
      }
    },
    share(parts) {
      if (most === null) return scarce.signal;
      const ended = new AbortController();
      const calls = Math.max(LEAST_SHARE, Math.floor((most - RESERVED_CALLS - spent) / parts));
      shares.add({ upTo: spent + calls, ended });
      return AbortSignal.any([scarce.signal, ended.signal]);
    },
  };
}
