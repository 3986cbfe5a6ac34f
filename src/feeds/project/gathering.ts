import type { Clock } from "../../core/clock.ts";

/**
 * Interval between two batches of a live feed while many events arrive, in milliseconds. It is most of the delay of an
 * event under load.
 */
export const GATHER_MS = 20;

/** So many events have to arrive in an interval. Fewer would not share the cost of a batch among enough of them. */
const WORTH_EVENTS = 16;

/**
 * The rests of the live feeds of one source, so that batches grow with the load of appends: a batch costs as much as many
 * events in it. While few events arrive, each is projected at once.
 */
export interface Gathering {
  /** Whether the next batch waits for {@link tick}. `head`: of the source, now. */
  isWorth(head: number): boolean;
  /** Resolves at the end of the interval, for all feeds in the same turn: so they read the same events, and write together. */
  tick(): Promise<void>;
}

export function createGathering(clock: Clock): Gathering {
  let since = { head: 0, ms: Number.NEGATIVE_INFINITY };
  let isWorth = false;
  let tick: Promise<void> | null = null;
  return {
    isWorth(head) {
      const ms = clock.monotonic();
      const passedMs = ms - since.ms;
      // A shorter time measures how commits are grouped, not how many events arrive.
      if (passedMs < GATHER_MS) return isWorth;
      isWorth = ((head - since.head) * GATHER_MS) / passedMs >= WORTH_EVENTS;
      since = { head, ms };
      return isWorth;
    },
    tick() {
      tick ??= clock.sleep(GATHER_MS - (clock.monotonic() % GATHER_MS)).finally(() => {
        tick = null;
      });
      return tick;
    },
  };
}
