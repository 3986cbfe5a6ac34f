import type { Clock } from "../core/clock.ts";

/** Limits the rate of operations, spread evenly over each second. */
export interface Pace {
  /** Number of operations so far. */
  readonly count: number;
  turn(): Promise<void>;
}

export function createPace(clock: Clock, perSecond: number, signal: AbortSignal): Pace {
  let next = 0;
  let count = 0;
  return {
    get count() {
      return count;
    },
    async turn() {
      count += 1;
      const now = clock.monotonic();
      const at = Math.max(now, next);
      next = at + 1_000 / perSecond;
      if (at > now) await clock.sleep(at - now, signal);
      signal.throwIfAborted();
    },
  };
}
