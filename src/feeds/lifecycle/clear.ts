import { restartSilence } from "../../administration/objectives/restart-silence.ts";
import type { Clock } from "../../core/clock.ts";
import type { Job } from "../../jobs/job.ts";
import { type Database, integerAt, type Statement, textAt } from "../../storage/database.ts";
import {
  CLEAR_EVENTS,
  CLEAR_SUBJECTS,
  FIRST_SUBJECTS,
  forgetErasedRanges,
  forgetReadersAndErasures,
} from "../../log/erase/clear-log.ts";
import { removalStatement } from "../../log/erase/erasures.ts";
import { discardHistory } from "../../log/identity.ts";
import { type LogAddress, LOG_SPAN, logAddress } from "../../log/keys.ts";
import type { BatchWriter } from "../../storage/batch-writer.ts";
import { KEEP_PLACES } from "../project/places.ts";
import { forgetDeliveries, forgetSubjects } from "../../webhooks/subscriptions/source-log.ts";

/*
 * Deletes all events of a feed: to retire it, or to build a draft again. The feed's status states which, and
 * keeps all processes from writing to it; the deleting continues after a restart, in any process, and in several as well. Each
 * batch is refused when the clearing that it is part of has ended: a process that was paused must not delete events that were
 * built since.
 */

/** Rows of one write: few enough that appends hardly wait. */
const STEP_ROWS = 500;

/** Pause after a refused write, because the database was busy or another process was first. */
const BUSY_MS = 20;

/** Delays before a clearing that failed is tried again, in milliseconds. */
export const CLEAR_BACKOFF = { firstMs: 1_000, lastMs: 15_000 };

export interface ClearDeps {
  readonly database: Database;
  readonly writer: BatchWriter;
  readonly clock: Clock;
}

/** Arguments: first key, last key, count, log id. Of the events that are deleted after it. */
const CLEAR_AHEAD = `
delete from feed_ahead where log = ?4 and position <= (
  select max(key) - ?1 + 1 from (select key from events where key >= ?1 and key <= ?2 order by key limit ?3))`;

/** Arguments: log id, count. */
export const CLEAR_FEED_SUBJECTS = `delete from feed_subjects where subject in (${FIRST_SUBJECTS})`;

/** Arguments: log id, count. Also the origins that dependent feeds recorded of its subjects, whose ids may be used again. */
export const CLEAR_ORIGINS = [
  `delete from feed_origins where subject in (${FIRST_SUBJECTS})`,
  `delete from feed_origins where source in (${FIRST_SUBJECTS})`,
  `delete from feed_revisions where subject in (${FIRST_SUBJECTS})`,
];

const HEAD = "(select head from logs where id = feeds.log)";

/** Arguments: log id. The row of the feed stays, so that its path and its positions are never used again. */
const END_RETIRING = [
  "delete from feed_places where log = ?1",
  "delete from feed_contracts where log = ?1",
  "delete from feed_ahead where log = ?1",
  `update feeds set status = 'retired', cleared = ${HEAD} where log = ?1 and status = 'retiring'`,
];

const IS_REBUILDING = "exists (select 1 from feeds where log = ?1 and status = 'rebuilding')";

/** Arguments: log id, now. Positions continue after the head. */
const END_REBUILDING = `
update feeds set status = 'building', cursor = 0, merged = 0, rate = 0, failure = null, traced = null, epoch = epoch + 1, started = ?2,
  cleared = ${HEAD}
where log = ?1 and status = 'rebuilding'`;

/** Arguments: log id, epoch. A clearing has one epoch, since no other process writes to the feed until it ends. */
const FENCE = `
update feeds set epoch = case when epoch = ?2 and status in ('retiring', 'rebuilding') then epoch end where log = ?1`;

/** Runs one write, and returns the number of rows that its last statement deleted; null when the clearing has ended. */
async function deleted(
  { writer, clock }: ClearDeps,
  { log, epoch }: Clearing,
  statements: readonly Statement[],
): Promise<number | null> {
  const written = await writer.write([{ sql: FENCE, args: [log.id, epoch] }, ...statements]);
  if (written.outcome === "outdated") return null;
  // Appends get as much time as this write took.
  await clock.sleep(written.durationMs);
  return written.rows.at(-1)?.length ?? 0;
}

/** Deletes all rows of a feed; false when the clearing has ended, or the database was busy. */
async function clear(deps: ClearDeps, clearing: Clearing, signal: AbortSignal): Promise<boolean> {
  const { log, retiring } = clearing;
  const range = [log.base + 1, log.base + LOG_SPAN - 1, STEP_ROWS];
  const places = { sql: KEEP_PLACES, args: [...range, log.id] };
  const ahead = { sql: CLEAR_AHEAD, args: [...range, log.id] };
  const events = [...(retiring ? [] : [places]), ahead, { sql: CLEAR_EVENTS, args: range }];
  const subjects = [
    ...forgetSubjects(log),
    ...[...CLEAR_ORIGINS, CLEAR_FEED_SUBJECTS, CLEAR_SUBJECTS].map((sql) => ({
      sql,
      args: [log.id, STEP_ROWS],
    })),
  ];
  const begin = [...forgetDeliveries(log), removalStatement(log)];
  if ((await deleted(deps, clearing, begin)) === null) return false;
  for (const step of [events, subjects]) {
    for (let rows: number | null = STEP_ROWS; rows === STEP_ROWS && !signal.aborted;) {
      rows = await deleted(deps, clearing, step);
      if (rows === null) return false;
    }
  }
  return true;
}

interface Clearing {
  readonly log: LogAddress;
  readonly epoch: number;
  readonly retiring: boolean;
}

async function nextToClear(database: Database): Promise<Clearing | null> {
  const [row] = await database.read({
    sql: `select log.id, log.name, feed.status = 'retiring', feed.epoch from feeds as feed cross join logs as log on log.id = feed.log
      where feed.status in ('retiring', 'rebuilding') order by log.id limit 1`,
    args: [],
  });
  if (row === undefined) return null;
  return {
    log: logAddress(integerAt(row, 0), textAt(row, 1)),
    retiring: integerAt(row, 2) === 1,
    epoch: integerAt(row, 3),
  };
}

/** The last batch of a clearing. */
function endOfClearing({ log, epoch, retiring }: Clearing, now: string): Statement[] {
  return [
    { sql: FENCE, args: [log.id, epoch] },
    // Since the clearing began, dispatchers may have stored progress of events that were not deleted yet.
    ...forgetDeliveries(log),
    ...(retiring
      ? [
          restartSilence(log, now),
          ...forgetReadersAndErasures(log),
          ...END_RETIRING.map((sql) => ({ sql, args: [log.id] })),
        ]
      : // Readers of the earlier events are notified when no earlier event is left.
        [
          ...discardHistory(log, IS_REBUILDING),
          { sql: "delete from feed_ahead where log = ?1", args: [log.id] },
          // Feeds that are projected from it are built again as well, so that none has to apply these.
          forgetErasedRanges(log, IS_REBUILDING),
          { sql: END_REBUILDING, args: [log.id, now] },
        ]),
  ];
}

/** Deletes the events of feeds that are retired, and of drafts that are built again, until none is left. */
export function clearJob(deps: ClearDeps): Job {
  const { database, writer, clock } = deps;
  return {
    name: "clear",
    async run({ signal }) {
      while (!signal.aborted) {
        const next = await nextToClear(database);
        if (next === null) break;
        const isCleared = await clear(deps, next, signal);
        if (signal.aborted) break;
        if (isCleared) await writer.write(endOfClearing(next, new Date(clock.now()).toISOString()));
        else await clock.sleep(BUSY_MS, signal);
      }
      return "idle";
    },
  };
}
