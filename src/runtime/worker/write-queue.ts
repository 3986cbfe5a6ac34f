import type { Clock } from "../../core/clock.ts";
import { KildeError } from "../../core/errors.ts";
import type { LogWriter } from "../../log/append/writer.ts";
import { erasure } from "../../log/erase/erasures.ts";

/** Runs the writes of this isolate's requests one at a time, in the order of their arrival. */
export interface WriteQueue {
  /** Runs the work when it is the caller's turn. Throws `overloaded` when the wait is too long. */
  run<Result>(work: () => Promise<Result>): Promise<Result>;
}

/**
 * Interval between looks of a waiting write for its turn, in milliseconds, for each place before it: about the
 * duration of a write.
 */
const LOOK_MS = 2;
const LONGEST_LOOK_MS = 200;

/** A waiting write that has not looked for this time is gone, in milliseconds: its request was cancelled. */
const GONE_MS = 1_000;

/** Longest turn, in milliseconds: after that the next write runs, even if the holder is not done. */
const LONGEST_TURN_MS = 3_000;

/** Longest wait, in milliseconds: after that the write is refused, and nothing is written. */
const LONGEST_WAIT_MS = 10_000;

interface Place {
  lookedMs: number;
  begunMs: number | null;
}

/**
 * Creates a queue of writes. A libSQL server wedges when many writes are in flight, and appends to one stream that
 * are planned at the same time refuse each other. A request cannot wait for a promise of another, which may be
 * cancelled at any time and would take the promise with it. So each waiting write looks for its turn by its own
 * timer, and requests share only plain data. A lost turn costs time only: the database, not this queue, keeps writes
 * correct.
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
      // It was only late, and had lost its place.
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
 * Returns a writer whose writes take turns with those of other requests; the turn of an append includes its planning.
 * @param keep keeps the invocation alive until the write is done, even when the client is gone
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
    appendAll: (transactions) => run(() => writer.appendAll(transactions)),
    truncate: (truncation) => run(() => writer.truncate(truncation)),
    write: (statements) => run(() => writer.write(statements)),
    probe: () => run(() => writer.probe()),
    exclusively: (work) => run(work),
    async eraseStreams(names, reason) {
      for (const name of names) await run(() => writer.append(erasure(name, reason, "exists")));
    },
  };
}
