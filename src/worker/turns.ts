import type { Clock } from "../core/clock.ts";

/** One at a time, in the order in which they asked, among the requests of this isolate. */
export interface Turns {
  /** Resolves when it is the caller's turn; what it gives ends the turn. */
  take(): Promise<() => void>;
}

/** How often who waits looks whether it is its turn. */
const LOOK_MS = 2;

/** Who waited and did not look for so long is gone: its request was cancelled. */
const GONE_MS = 1_000;

/** A turn lasts no longer, whatever became of who has it. */
const LONGEST_TURN_MS = 10_000;

interface Place {
  lookedMs: number;
  begunMs: number | null;
}

/**
 * A libSQL server wedges when many writes are in flight. A request cannot wait for a promise of another: that one may
 * be cancelled at any time, and would take the promise with it. So who waits looks by itself, by its own timer, and
 * what is shared is plain data. A turn that was lost costs time, and nothing else: it is not what makes writes right.
 */
export function createTurns(clock: Clock): Turns {
  const places: Place[] = [];
  const leave = (place: Place) => {
    const index = places.indexOf(place);
    if (index !== -1) places.splice(index, 1);
  };
  const isGone = ({ lookedMs, begunMs }: Place, now: number) =>
    begunMs === null ? now - lookedMs > GONE_MS : now - begunMs > LONGEST_TURN_MS;

  return {
    async take() {
      const place: Place = { lookedMs: clock.now(), begunMs: null };
      places.push(place);
      while (places[0] !== place) {
        await clock.sleep(LOOK_MS);
        const now = clock.now();
        place.lookedMs = now;
        const [first] = places;
        if (first !== undefined && first !== place && isGone(first, now)) places.shift();
        if (!places.includes(place)) places.push(place);
      }
      place.begunMs = clock.now();
      return () => leave(place);
    },
  };
}
