import { groupBy } from "../../core/group-by.ts";
import { prefixEnd } from "../../core/names.ts";
import {
  type Database,
  integerAt,
  type Row,
  type Statement,
  textAt,
  integerOrNullAt,
} from "../../storage/database.ts";
import { EVENT_LOG_ADDRESS, LOG_SPAN, type LogAddress } from "../keys.ts";
import type { BatchWriter } from "../../storage/batch-writer.ts";
import { lastSeen, latestActivity } from "./last-seen.ts";
import { writeConsumer } from "./write-consumer.ts";

/*
 * The consumers of a log and their progress. The server records the reads of consumers that name themselves; a consumer
 * states how far it has handled the events that it was sent, by committing a position.
 */

/** Why a consumer could not handle an event, as it reported. */
export interface ReportedFailure {
  readonly subject: string;
  /** Version and type of the event; null when it could not be had. */
  readonly version: number | null;
  readonly type: string | null;
  readonly message: string;
  readonly attempts: number;
  /** When it first failed, RFC 3339. */
  readonly since: string;
}

/** A reader of a log that named itself. */
export interface ConsumerRecord {
  readonly name: string;
  /** Position that it committed: it has handled all events up to it; null when it never committed. */
  readonly committed: number | null;
  /** Position up to which it was sent the requested events, when it last read; null when it never read the log. */
  readonly sent: number | null;
  /** When it was first seen, and when it last read or committed; RFC 3339. */
  readonly since: string;
  readonly seen: string;
  /** Subjects that it reported as blocked with its last commit, and the last failure of those. */
  readonly blocked: number;
  readonly failure: ReportedFailure | null;
  readonly lag: {
    /**
     * Positions it has not committed, or else was not sent; none for one that only reads single subjects, each of which is
     * complete.
     */
    readonly events: number;
    /** Age of the first of them; 0 when there is none. */
    readonly seconds: number;
  };
}

/** The last activity of a consumer that a process recorded. */
export interface ConsumerActivity {
  readonly log: number;
  readonly name: string;
  readonly sent: number | null;
  readonly seen: string;
}

/** SQL: position up to which a consumer has come, of the rows `consumer` and `log`. */
export const REACHED = "coalesce(consumer.committed, consumer.sent, log.head)";

/** @param base SQL: the base key of the log */
function columns(base: string): string {
  return `consumer.name, consumer.committed, consumer.sent, consumer.since, consumer.seen,
  max(0, log.head - ${REACHED}),
  (select recorded from events where key > ${base} + ${REACHED} and key <= ${base} + log.head order by key limit 1),
  consumer.blocked, consumer.failure`;
}

const COLUMNS = columns("?2");

/** Arguments: log id, base key, names from, names before (null: no end), names after, limit. */
export const LIST_CONSUMERS = `
select ${COLUMNS} from consumers as consumer cross join logs as log on log.id = consumer.log
where consumer.log = ?1 and consumer.name >= ?3 and (?4 is null or consumer.name < ?4) and consumer.name > ?5
order by consumer.name limit ?6`;

/** Arguments: log id and name after which the page begins, limit. */
export const LIST_CONSUMERS_OF_LOGS = `
select ${columns(`log.id * ${LOG_SPAN}`)}, log.id from consumers as consumer cross join logs as log on log.id = consumer.log
where (consumer.log, consumer.name) > (?1, ?2) order by consumer.log, consumer.name limit ?3`;

/** Arguments: log id, base key, name. */
export const FIND_CONSUMER = `
select ${COLUMNS} from consumers as consumer cross join logs as log on log.id = consumer.log
where consumer.log = ?1 and consumer.name = ?3`;

/** Arguments: log id, seen since. */
export const ACTIVE_CONSUMERS = `
select name from consumers where log = ?1 and seen >= ?2 order by name`;

/** The position sent, at most the head: the activity may belong to an earlier, longer history of the log. */
const sentOf = (log: string) => `min(entry.value ->> 2, (select head from logs where id = ${log}))`;

/**
 * Records activity of consumers that are known; returns the log id and name of each. The last activity holds, whichever
 * process recorded it: a consumer that reads again from the beginning is behind. Arguments: JSON
 * `[[log id, name, sent, seen], …]`, the latest plausible time of activity.
 */
export const RECORD_ACTIVITY = `
update consumers set
  sent = iif(entry.value ->> 3 >= seen or seen > ?2, coalesce(${sentOf("consumers.log")}, sent), sent),
  seen = ${lastSeen("(entry.value ->> 3)", "?2")}
from json_each(?1) as entry
where consumers.log = entry.value ->> 0 and consumers.name = entry.value ->> 1
returning consumers.log, consumers.name`;

/** Consumers that one turn may forget to make room: a flood of new names does not displace consumers that keep reading. */
const MOST_FORGOTTEN = 32;

/**
 * Where there is no room for new names, deletes the consumers that never committed and have not read for longest, a quarter of
 * them at most. Arguments: log id, most consumers of a log, new names, most that may be forgotten.
 */
export const MAKE_ROOM = `
delete from consumers where log = ?1 and name in (
  select name from consumers where log = ?1 and committed is null order by seen
  limit (select iif(count(*) < ?2, 0, min(?3, ?4, (count(*) - count(committed) + 3) / 4))
    from consumers where log = ?1))`;

/** Records new consumers while there is room; returns the log id and name of each. Arguments: log id, most, JSON as above. */
export const RECORD_NEW_CONSUMERS = `
insert into consumers (log, name, sent, seen, since)
select ?1, entry.value ->> 1, ${sentOf("?1")}, entry.value ->> 3, entry.value ->> 3
from json_each(?3) as entry
where not exists (select 1 from consumers where log = ?1 and name = entry.value ->> 1)
limit (select max(0, ?2 - count(*)) from consumers where log = ?1)
returning log, name`;

/** Reported failures may quote events that were erased. */
export const FORGET_CONSUMER_FAILURES = "update consumers set failure = null where failure is not null";

const DELETE_CONSUMER = "delete from consumers where log = ?1 and name = ?2 returning name";

function consumerOf(row: Row, nowMs: number): ConsumerRecord {
  const position = (column: number) => integerOrNullAt(row, column);
  const oldest = row[6];
  return {
    name: textAt(row, 0),
    committed: position(1),
    sent: position(2),
    since: textAt(row, 3),
    seen: textAt(row, 4),
    blocked: integerAt(row, 7),
    // Written as JSON by this program; `kilde doctor` finds values that are not.
    failure: row[8] === null ? null : (JSON.parse(textAt(row, 8)) as ReportedFailure),
    lag: {
      events: integerAt(row, 5),
      seconds: typeof oldest === "string" ? Math.max(0, nowMs - Date.parse(oldest)) / 1_000 : 0,
    },
  };
}

export interface ConsumersQuery {
  readonly prefix: string;
  /** Only names after this one. */
  readonly cursor: string;
  readonly limit: number;
}

/** The consumers of a log, in order of name. */
export async function listConsumers(
  database: Database,
  log: LogAddress,
  { prefix, cursor, limit }: ConsumersQuery,
  nowMs: number,
): Promise<ConsumerRecord[]> {
  const args = [log.id, log.base, prefix, prefixEnd(prefix), cursor, limit];
  const rows = await database.read({ sql: LIST_CONSUMERS, args });
  return rows.map((row) => consumerOf(row, nowMs));
}

/** A consumer of one of several logs. */
export interface ConsumerOfLog {
  /** Id of its log. */
  readonly log: number;
  readonly consumer: ConsumerRecord;
}

/** The consumers of all logs, in order of log and name. `after`: only those after this one; null: from the first on. */
export async function listConsumersOfLogs(
  database: Database,
  after: ConsumerOfLog | null,
  limit: number,
  nowMs: number,
): Promise<ConsumerOfLog[]> {
  const args = [after?.log ?? EVENT_LOG_ADDRESS.id, after?.consumer.name ?? "", limit];
  const rows = await database.read({ sql: LIST_CONSUMERS_OF_LOGS, args });
  return rows.map((row) => ({ log: integerAt(row, 9), consumer: consumerOf(row, nowMs) }));
}

/** The consumer of this name; null when it was never seen. */
export async function findConsumer(
  database: Database,
  log: LogAddress,
  name: string,
  nowMs: number,
): Promise<ConsumerRecord | null> {
  const [row] = await database.read({ sql: FIND_CONSUMER, args: [log.id, log.base, name] });
  return row === undefined ? null : consumerOf(row, nowMs);
}

/** Names of the consumers that read or committed since a time (RFC 3339) and would miss the log. */
export async function activeConsumers(database: Database, log: LogAddress, since: string): Promise<string[]> {
  const rows = await database.read({ sql: ACTIVE_CONSUMERS, args: [log.id, since] });
  return rows.map((row) => textAt(row, 0));
}

export interface ActivityOptions {
  readonly nowMs: number;
  /** Most consumers of one log. */
  readonly mostConsumers: number;
  /** Returns a statement without rows, which runs before consumers of a log (its id) are forgotten to make room. */
  readonly beforeForgetting: (log: number) => Statement;
}

/** Statements that record activity; the rows of all of them name the consumers that are known then. */
export function activityStatements(
  known: readonly ConsumerActivity[],
  strangers: readonly ConsumerActivity[],
  { nowMs, mostConsumers, beforeForgetting }: ActivityOptions,
): Statement[] {
  const json = (activity: readonly ConsumerActivity[]) =>
    JSON.stringify(activity.map(({ log, name, sent, seen }) => [log, name, sent, seen]));
  // Another process, or an earlier run of this one, may know a stranger.
  const all = json([...known, ...strangers]);
  const statements: Statement[] = [{ sql: RECORD_ACTIVITY, args: [all, latestActivity(nowMs)] }];
  for (const [log, some] of groupBy(strangers, (stranger) => stranger.log)) {
    statements.push(
      beforeForgetting(log),
      { sql: MAKE_ROOM, args: [log, mostConsumers, some.length, MOST_FORGOTTEN] },
      { sql: RECORD_NEW_CONSUMERS, args: [log, mostConsumers, json(some)] },
    );
  }
  return statements;
}

/** Deletes a consumer; false when there was none. The other statements of the batch run before that, and right after it. */
export async function removeConsumer(
  writer: BatchWriter,
  log: LogAddress,
  name: string,
  { before, after }: Readonly<Record<"before" | "after", readonly Statement[]>>,
): Promise<boolean> {
  const remove: Statement = { sql: DELETE_CONSUMER, args: [log.id, name] };
  const rows = await writeConsumer(writer, [...before, remove, ...after]);
  return rows[before.length] !== undefined;
}
