import type { Clock } from "../../core/clock.ts";

/** Rest of a live feed between two batches while many events arrive, in milliseconds: most of the delay of an event. */
export const GATHER_MS = 15;

/** So many events have to arrive during a rest. Fewer would not share the cost of a batch among enough of them. */
const WORTH_EVENTS = 16;

/**
 * Rests of a live feed, so that batches grow with the load of appends: a batch costs as much as many events in it. While
 * few events arrive, each is projected at once.
 */
export interface Gathering {
  /** How long the next batch waits, in milliseconds. `head`: of the source, now. */
  restMs(head: number): number;
}

export function createGathering(clock: Clock): Gathering {
  let since = { head: 0, ms: Number.NEGATIVE_INFINITY };
  let restMs = 0;
  return {
    restMs(head) {
      const ms = clock.monotonic();
      const passedMs = ms - since.ms;
      // A shorter time measures how commits are grouped, not how many events arrive.
      if (passedMs < GATHER_MS) return restMs;
      restMs = ((head - since.head) * GATHER_MS) / passedMs >= WORTH_EVENTS ? GATHER_MS : 0;
      since = { head, ms };
      return restMs;
    },
  };
}
