import type { Clock } from "../../core/clock.ts";
import { KildeError } from "../../core/errors.ts";
import type { LogWriter } from "../../log/append/writer.ts";
import { erasure } from "../../log/erase/erasures.ts";

/** One at a time, in the order in which they asked, among the requests of this isolate. */
export interface WriteQueue {
  /** Runs it when it is the caller's turn. Throws `overloaded` when that takes too long. */
  run<Result>(work: () => Promise<Result>): Promise<Result>;
}

/** When who waits looks again whether it is its turn, for each place before it: about as long as a write takes. */
const LOOK_MS = 2;
const LONGEST_LOOK_MS = 200;

/** Who waited and did not look for so long is gone: its request was cancelled. */
const GONE_MS = 1_000;

/** A turn keeps others waiting no longer, whatever became of who has it. */
const LONGEST_TURN_MS = 3_000;

/** Who waited so long is refused, with nothing written. */
const LONGEST_WAIT_MS = 10_000;

interface Place {
  lookedMs: number;
  begunMs: number | null;
}

/**
 * A libSQL server wedges when many writes are in flight, and appends to one stream that are planned at the same time
 * refuse each other. A request cannot wait for a promise of another: that one may be cancelled at any time, and would
 * take the promise with it. So who waits looks by itself, by its own timer, and what is shared is plain data. A turn
 * that was lost costs time, and nothing else: it is not what makes writes right.
 */
export function createWriteQueue(clock: Clock): WriteQueue {
  const places: Place[] = [];
  const leave = (place: Place) => {
    const index = places.indexOf(place);
    if (index !== -1) places.splice(index, 1);
  };
  const isGone = ({ lookedMs, begunMs }: Place, now: number) =>
    begunMs === null ? now - lookedMs > GONE_MS : now - begunMs > LONGEST_TURN_MS;

  const wait = async (place: Place): Promise<void> => {
    const sinceMs = clock.monotonic();
    places.push(place);
    while (places[0] !== place) {
      await clock.sleep(Math.min(LONGEST_LOOK_MS, LOOK_MS * Math.max(1, places.indexOf(place))));
      const now = clock.monotonic();
      if (now - sinceMs > LONGEST_WAIT_MS) {
        throw new KildeError("overloaded", `${places.length} writes are waiting in this worker`);
      }
      place.lookedMs = now;
      const [first] = places;
      if (first !== undefined && first !== place && isGone(first, now)) places.shift();
      // It was taken for gone while it was only late.
      if (!places.includes(place)) places.push(place);
    }
    place.begunMs = clock.monotonic();
  };

  return {
    async run(work) {
      const place: Place = { lookedMs: clock.monotonic(), begunMs: null };
      try {
        await wait(place);
        return await work();
      } finally {
        leave(place);
      }
    },
  };
}

/**
 * A writer whose writes take turns with those of other requests; an append together with its planning.
 *
 * @param keep has the runtime finish what was begun, also when the client is gone
 */
export function serializeWrites(
  writer: LogWriter,
  turns: WriteQueue,
  keep: (work: Promise<unknown>) => void,
): LogWriter {
  const run = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const done = turns.run(work);
    keep(done.catch(() => {}));
    return done;
  };
  return {
    ...writer,
    append: (transaction) => run(() => writer.append(transaction)),
    truncate: (subject, before, identity) => run(() => writer.truncate(subject, before, identity)),
    write: (statements) => run(() => writer.write(statements)),
    probe: () => run(() => writer.probe()),
    exclusively: (work) => run(work),
    async eraseStreams(names, reason) {
      for (const name of names) await run(() => writer.append(erasure(name, reason, "exists")));
    },
  };
}
