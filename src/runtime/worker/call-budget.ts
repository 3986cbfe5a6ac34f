/** Calls of the database, and deliveries, that one invocation may make; the runtime fails those beyond. */
export interface Calls {
  /** Notes one. */
  spend(): void;
  /** Aborts when only those are left that it takes to finish what is under way, and to store it. */
  readonly signal: AbortSignal;
  /** A signal that aborts when one of so many equal parts of the calls that are left is spent. */
  share(parts: number): AbortSignal;
}

/** What the longest single step may still take, with storing how far it is and letting go of its lease. */
const RESERVED_CALLS = 10;

/**
 * A share is not smaller: it takes some 20 calls to find what two subscriptions are behind with, and the rest delivers some
 * of it. Where this leaves nothing to the works that come last, they come first another time; see `runSlices`.
 */
const LEAST_SHARE = 25;

/** @param most null: as many as it takes */
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
