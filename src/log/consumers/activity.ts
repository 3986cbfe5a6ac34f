import type { Clock } from "../../core/clock.ts";
import { type ActivityOptions, type ConsumerActivity, activityStatements } from "./consumers.ts";
import { integerAt, textAt } from "../../storage/database.ts";
import type { LogAddress } from "../keys.ts";
import { type BatchWriter, writeUnplanned } from "../../storage/batch-writer.ts";

/** Interval of the writes of activity, in batches: consumers that name themselves must not slow down appends. */
const FLUSH_MS = 2_000;

/** How long a write of another process may take after it was due. */
const FLUSH_SPARE_MS = 500;

/** Unknown names of one turn. Others are recorded when they read again: any client can invent names. */
const MOST_STRANGERS = 1_000;

/** Records which consumers read, and the positions up to which they were sent events. */
export interface ActivityRecorder {
  /** `sent`: the position up to which all requested events were sent; null when it is unknown. */
  record(log: LogAddress, name: string, sent: number | null): void;
  /** Resolves when the activity recorded before the call is written, or failed to be written: it is kept, and tried again. */
  flush(): Promise<void>;
  /**
   * Resolves when the activity that any process recorded before the call is written. Takes seconds where others may exist.
   * Throws a KildeError when this process cannot write it.
   */
  flushEverywhere(): Promise<void>;
  close(): Promise<void>;
}

export interface ActivityRecorderDeps extends Omit<ActivityOptions, "nowMs"> {
  readonly writer: BatchWriter;
  readonly clock: Clock;
  /** Whether other processes may be at work on the database. */
  readonly isShared: boolean;
}

function keyOf(log: number, name: string): string {
  return `${log} ${name}`;
}

/** Puts back activity that was not written. Newer activity of the same consumers wins. */
function putBack(
  unwritten: ReadonlyMap<string, ConsumerActivity>,
  newer: Map<string, ConsumerActivity>,
  most: number,
): void {
  for (const [key, activity] of unwritten) {
    const later = newer.get(key);
    if (later !== undefined) newer.set(key, { ...later, sent: later.sent ?? activity.sent });
    else if (newer.size < most) newer.set(key, activity);
  }
}

export function createActivityRecorder(deps: ActivityRecorderDeps): ActivityRecorder {
  const { writer, clock, mostConsumers, beforeForgetting, isShared } = deps;
  /** Consumers that the database has, as far as this process wrote them. Bounded by what the database takes. */
  let known = new Set<string>();
  let waiting = new Map<string, ConsumerActivity>();
  let strangers = new Map<string, ConsumerActivity>();
  const closed = new AbortController();
  let timer: Promise<void> | null = null;
  /** Resolves when the last write is over, however it ended. */
  let writing: Promise<unknown> = Promise.resolve();

  /** Nothing counts as written before the database has acknowledged it. */
  const write = async () => {
    if (waiting.size + strangers.size === 0) return;
    const [ofKnown, ofStrangers] = [waiting, strangers];
    waiting = new Map();
    strangers = new Map();
    const statements = activityStatements([...ofKnown.values()], [...ofStrangers.values()], {
      nowMs: clock.now(),
      mostConsumers,
      beforeForgetting,
    });
    try {
      const { rows } = await writeUnplanned(writer, statements);
      // Another process may have forgotten some to make room.
      const remaining = [...known].filter((key) => !ofKnown.has(key));
      const recorded = rows.flat().map((row) => keyOf(integerAt(row, 0), textAt(row, 1)));
      known = new Set([...remaining, ...recorded]);
    } catch (error) {
      putBack(ofKnown, waiting, Number.POSITIVE_INFINITY);
      putBack(ofStrangers, strangers, MOST_STRANGERS);
      writeLater();
      throw error;
    }
  };

  /** Writes the activity recorded before the call, after the write that is under way. */
  const writeAll = (): Promise<void> => {
    const written = writing.then(write);
    writing = written.catch(() => {});
    return written;
  };

  // A failure needs no report of its own: the same failure also fails appends and readiness.
  const flush = () => writeAll().catch(() => {});

  const writeLater = () => {
    if (closed.signal.aborted) return;
    timer ??= clock.sleep(FLUSH_MS, closed.signal).then(async () => {
      timer = null;
      if (!closed.signal.aborted) await flush();
    });
  };

  return {
    record(log, name, sent) {
      const key = keyOf(log.id, name);
      const among = known.has(key) ? waiting : strangers;
      const earlier = among.get(key);
      if (earlier === undefined && among === strangers && strangers.size >= MOST_STRANGERS) return;
      const seen = new Date(clock.now()).toISOString();
      among.set(key, { log: log.id, name, sent: sent ?? earlier?.sent ?? null, seen });
      writeLater();
    },
    flush,
    async flushEverywhere() {
      if (isShared) await clock.sleep(FLUSH_MS + FLUSH_SPARE_MS);
      await writeAll();
    },
    async close() {
      closed.abort();
      await timer;
      await flush();
    },
  };
}
