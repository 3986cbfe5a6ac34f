/** The events that are left to a sender after one more, or the time that it has to wait. */
export interface RateState {
  readonly isWithin: boolean;
  /** Events that may follow each other at once. */
  readonly burst: number;
  /** Those of them that are left. */
  readonly left: number;
  /** Time until the next event is within the rate, in milliseconds; 0 if it is now. */
  readonly waitMs: number;
  /** Time until the whole burst is available again, in milliseconds. */
  readonly resetMs: number;
}

export interface RateOptions {
  /** Time after which one more event is within the rate, in milliseconds. */
  readonly intervalMs: number;
  /** Events that may follow each other at once. */
  readonly burst: number;
  /** Most senders that are remembered. Beyond that, the one that has been silent for longest is forgotten. */
  readonly mostSenders: number;
}

/** Counts the events of each sender. It is plain data: the isolate of a worker keeps it between requests. */
export interface RequestRate {
  /** Counts an event, unless it exceeds the rate. `nowMs`: on the monotonic clock. */
  count(sender: string, nowMs: number): RateState;
}

/**
 * Creates a rate by the generic cell rate algorithm: each sender has one number, the time at which its whole burst is
 * available again. Libraries for this start a timer for each sender, and remember any number of them.
 */
export function createRequestRate({ intervalMs, burst, mostSenders }: RateOptions): RequestRate {
  const resets = new Map<string, number>();
  const widthMs = burst * intervalMs;
  return {
    count(sender, nowMs) {
      const before = Math.max(0, (resets.get(sender) ?? nowMs) - nowMs);
      const after = before + intervalMs;
      const isWithin = after <= widthMs;
      const resetMs = isWithin ? after : before;
      // Set again, so that the first in the map is the one that has been silent for longest.
      resets.delete(sender);
      resets.set(sender, nowMs + resetMs);
      const [first] = resets.keys();
      if (resets.size > mostSenders && first !== undefined) resets.delete(first);
      const left = Math.floor((widthMs - resetMs) / intervalMs);
      return { isWithin, burst, left, waitMs: isWithin ? 0 : after - widthMs, resetMs };
    },
  };
}
