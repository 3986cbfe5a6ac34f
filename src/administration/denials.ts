import type { Clock } from "../core/clock.ts";
import { createDelayedFlush } from "../core/delayed-flush.ts";
import { type BatchWriter, writeUnplanned } from "../storage/batch-writer.ts";
import { type Database, integerAt, type Statement, textAt } from "../storage/database.ts";
import { entry, recordEntries } from "./entry.ts";
import { OPERATIONS_PATH } from "./operations-log.ts";

/** Shortest time between two entries, of all processes together. */
const INTERVAL_MS = 60_000;

/** Subject of the entries. */
const SUBJECT = "/keys";

/** A request of a known sender that lacked a grant. */
export interface Denial {
  /** Name of the sender. */
  readonly principal: string;
  /** The grant to add. */
  readonly needs: string;
}

/** Denials that are not recorded yet: plain data, which the isolate of a worker keeps between requests. */
export interface DenialMemory {
  count: number;
  latest: Denial | null;
  /** Earliest time of the next entry, on the monotonic clock. */
  nextMs: number;
}

export function createDenialMemory(): DenialMemory {
  return { count: 0, latest: null, nextMs: -Infinity };
}

/**
 * Counts denials, and records the number and the latest one in the log of administration, at most once a minute. Nobody
 * fills the log by sending refused requests.
 */
export interface Denials {
  note(denial: Denial): void;
  /** Records the counted denials, if an entry is due. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

export interface DenialsDeps {
  readonly database: Database;
  readonly writer: Pick<BatchWriter, "write">;
  readonly clock: Clock;
  readonly memory: DenialMemory;
  /** Whether entries are written by a timer. A worker flushes at the end of an invocation instead. */
  readonly inBackground: boolean;
}

/** When denials were last recorded. Argument: 1 path of the log. */
const LAST_TIME = `
select event.recorded from logs as log
cross join subjects as subject on subject.log = log.id and subject.name = '${SUBJECT}'
cross join events as event on event.subject = subject.id
where log.name = ?1 order by event.version desc limit 1`;

/**
 * The entry, unless another process has recorded one meanwhile: all wait for the same moment. Arguments: 3 JSON of the
 * entry, 4 and 5 the times between which the last one is too recent.
 */
const UNLESS_RECENT = `(select ?3 where coalesce((${LAST_TIME}), '') not between ?4 and ?5)`;

const CHANGES: Statement = { sql: "select changes()", args: [] };

/** How long ago any process recorded denials, in milliseconds. */
async function sinceLastEntry(database: Database, nowMs: number): Promise<number> {
  const [row] = await database.read({ sql: LAST_TIME, args: [OPERATIONS_PATH] });
  return row === undefined ? Infinity : Math.abs(nowMs - Date.parse(textAt(row, 0)));
}

export function createDenials({ database, writer, clock, memory, inBackground }: DenialsDeps): Denials {
  const record = async ({ principal, needs }: Denial, count: number) => {
    const nowMs = clock.now();
    const agoMs = await sinceLastEntry(database, nowMs);
    if (agoMs < INTERVAL_MS) {
      memory.nextMs = clock.monotonic() + INTERVAL_MS - agoMs;
      return;
    }
    const made = entry(SUBJECT, "kilde.access.denied", { principal, needs, count });
    const recent = [1 - INTERVAL_MS, INTERVAL_MS - 1].map((ms) => new Date(nowMs + ms).toISOString());
    const recorded = { sql: UNLESS_RECENT, args: [JSON.stringify([made]), ...recent] };
    const now = new Date(nowMs).toISOString();
    const { rows } = await writeUnplanned(writer, [...recordEntries(recorded, now, "always"), CHANGES]);
    if (integerAt(rows.at(-1)?.[0], 0) > 0) memory.count -= count;
  };

  const flush = async () => {
    const { count, latest, nextMs } = memory;
    const nowMs = clock.monotonic();
    if (latest === null || count === 0 || nowMs < nextMs) return;
    memory.nextMs = nowMs + INTERVAL_MS;
    // A failure needs no report of its own: the same failure also fails appends and readiness. The count stays.
    await record(latest, count).catch(() => {});
  };

  const delayed = createDelayedFlush({
    clock,
    inBackground,
    delayMs: () => Math.max(0, memory.nextMs - clock.monotonic()),
    isPending: () => memory.count > 0,
    flush,
  });

  return {
    note(denial) {
      memory.count += 1;
      memory.latest = denial;
      delayed.later();
    },
    flush,
    close: () => delayed.close(),
  };
}
