import { KildeError } from "../../core/errors.ts";
import { ERASED_TYPE, type ExpectedVersion } from "../../core/event.ts";
import { type Database, integerAt, type Row, type Statement, textAt } from "../../storage/database.ts";
import { RECORD_ERASED_SUBJECTS } from "./erased-ranges.ts";
import { raiseBelow } from "./generations.ts";
import { EVENT_LOG_ADDRESS, LOG_SPAN, type LogAddress } from "../keys.ts";
import type { Transaction } from "../append/plan.ts";
import type { LogWriter } from "../append/writer.ts";

/*
 * Erasures: hiding a subject's events behind a tombstone, and the record that outlives a restore. The sweep deletes
 * the hidden events (`truncate.ts`).
 */

/** An erasure as it is recorded. Version, position and recorded time are those of the tombstone. */
export interface Erasure {
  readonly subject: string;
  readonly version: number;
  readonly position: number;
  /** RFC 3339, UTC, milliseconds. */
  readonly recorded: string;
  readonly reason: string | null;
}

/** An erased subject begins with its tombstone. Arguments: log id, name, tombstone's version. */
const MARK_ERASED = `
update subjects set first_version = ?3, erased = ?3, sweep = 1 where log = ?1 and name = ?2`;

/** Arguments: log id, name, version of the first event that is left. */
const HIDE_REPLACED = `
update subjects set first_version = max(first_version, ?3), sweep = 1 where log = ?1 and name = ?2`;

/** Arguments: log id, name. */
const UNMARK_ERASED = `
update subjects set erased = null where log = ?1 and name = ?2`;

/**
 * Reads the tombstones, so that the record cannot disagree with them. A tombstone without events before it, as of a feed
 * that is built after the erasure, leaves nothing to sweep. Arguments: log id, base key, JSON `[[name, version], …]`.
 */
export const RECORD_ERASURES = `
insert into erasures (log, position, subject, version, recorded, reason, sweep)
select ?1, event.key - ?2, subject.name, event.version, event.recorded, event.extensions ->> '$.reason', event.version > 1
from json_each(?3) as tombstone
cross join subjects as subject on subject.log = ?1 and subject.name = tombstone.value ->> 0
cross join events as event on event.subject = subject.id and event.version = tombstone.value ->> 1`;

/** Argument: log id. */
const COUNT_REMOVAL = "update logs set removals = removals + 1 where id = ?1";

/** Goes into every batch that hides events from readers: other processes then discard what they hold in memory. */
export function removalStatement(log: LogAddress): Statement {
  return { sql: COUNT_REMOVAL, args: [log.id] };
}

/** An append that removes all events of a subject, and leaves a tombstone with the reason. */
export function erasure(subject: string, reason: string, expectedVersion: ExpectedVersion): Transaction {
  const tombstone = { type: ERASED_TYPE, time: null, data: null, extensions: JSON.stringify({ reason }) };
  return { parts: [{ subject, expectedVersion, events: [tombstone], erases: true }], idempotency: null };
}

/** Arguments: log id, JSON of positions of tombstones. */
const REOPEN_ERASURES = `
update erasures set sweep = sweep + 1
where log = ?1 and position in (select value from json_each(?2))`;

/**
 * Goes into a batch that removes data derived from erased events, such as a state: the sweep has to remove it from
 * storage as well.
 */
export function reopenErasures(log: LogAddress, positions: readonly number[]): Statement {
  return { sql: REOPEN_ERASURES, args: [log.id, JSON.stringify(positions)] };
}

/** Changes of a batch to subjects that it erases, and to erased subjects that receive events again. */
export interface PlannedErasures {
  /** Tombstones that the batch inserts before these statements, in order. */
  readonly tombstones: readonly { readonly subject: string; readonly version: number }[];
  /** Subjects that are erased below a version without a tombstone, which only a feed does. Default: none. */
  readonly replaced?: readonly { readonly subject: string; readonly version: number }[];
  /** Subjects that were erased and are no longer. */
  readonly revived: readonly string[];
}

/** The part of a batch that erases: hides what the tombstones replace, and records each erasure. */
export function erasureStatements(
  log: LogAddress,
  { tombstones, replaced = [], revived }: PlannedErasures,
): Statement[] {
  const statements = tombstones.flatMap(({ subject, version }): Statement[] => [
    raiseBelow(log, subject, version),
    { sql: MARK_ERASED, args: [log.id, subject, version] },
  ]);
  if (tombstones.length > 0) {
    const places = JSON.stringify(tombstones.map(({ subject, version }) => [subject, version]));
    statements.push({ sql: RECORD_ERASURES, args: [log.id, log.base, places] });
  }
  for (const { subject, version } of replaced) {
    statements.push(raiseBelow(log, subject, version));
    statements.push({ sql: HIDE_REPLACED, args: [log.id, subject, version] });
  }
  const erased = [...tombstones, ...replaced].map(({ subject, version }) => [subject, version]);
  if (erased.length > 0) {
    const args = [log.id, log.base, JSON.stringify(erased)];
    statements.push({ sql: RECORD_ERASED_SUBJECTS, args }, removalStatement(log));
  }
  for (const subject of revived) statements.push({ sql: UNMARK_ERASED, args: [log.id, subject] });
  return statements;
}

function erasureOf(row: Row): Erasure {
  const reason = row[4];
  return {
    subject: textAt(row, 0),
    version: integerAt(row, 1),
    position: integerAt(row, 2),
    recorded: textAt(row, 3),
    reason: typeof reason === "string" ? reason : null,
  };
}

/** Erasures read by one query. */
const LIST_ERASURES = 1_000;

/** Arguments: log id, position, count. */
const SELECT_ERASURES = `
select subject, version, position, recorded, reason from erasures
where log = ?1 and position > ?2 order by position limit ?3`;

/** The same of a store of an older version, which only has the tombstones. */
const SELECT_TOMBSTONES = `
select subject.name, event.version, event.key % ${LOG_SPAN} as position, event.recorded, event.extensions ->> '$.reason'
from subjects as subject cross join events as event on event.subject = subject.id and event.version = subject.first_version
where subject.log = ?1 and event.type = '${ERASED_TYPE}' and event.key % ${LOG_SPAN} > ?2 order by position limit ?3`;

const HAS_ERASURES = "select count(*) from sqlite_master where type = 'table' and name = 'erasures'";

/** Gives every recorded erasure of a log in order of position, however many there are. */
export async function* listErasures(
  database: Database,
  log: LogAddress,
  { after = 0 }: { readonly after?: number } = {},
): AsyncGenerator<Erasure> {
  let cursor = after;
  const [table] = await database.read({ sql: HAS_ERASURES, args: [] });
  const sql = integerAt(table, 0) === 0 ? SELECT_TOMBSTONES : SELECT_ERASURES;
  for (;;) {
    const rows = await database.read({ sql, args: [log.id, cursor, LIST_ERASURES] });
    for (const row of rows) yield erasureOf(row);
    const last = rows.at(-1);
    if (last === undefined || rows.length < LIST_ERASURES) return;
    cursor = integerAt(last, 2);
  }
}

/**
 * Those of some erasures that a store lacks. A subject's events were erased if they are below the tombstone's version
 * and were recorded before it; an erasure that the store recorded later covers them. Arguments: log id, JSON
 * `[[name, version, recorded], …]`.
 */
export const SELECT_MISSING = `
select erased.key from json_each(?2) as erased
cross join subjects as subject on subject.log = ?1 and subject.name = erased.value ->> 0
cross join events as event on event.subject = subject.id and event.version = subject.first_version
where event.version < erased.value ->> 1 and event.recorded <= erased.value ->> 2
and not exists (select 1 from erasures as own
  where own.log = ?1 and own.subject = subject.name and own.recorded >= erased.value ->> 2)`;

/** The tombstones of applied erasures must not be recorded before the originals. Arguments: log id, recorded time. */
const ADVANCE_RECORDED = "update logs set recorded = max(recorded, ?2) where id = ?1";

export interface ApplyErasuresDeps {
  readonly database: Database;
  /** Writes the event log of the same database. */
  readonly writer: Pick<LogWriter, "append" | "write">;
}

/** Reason of a tombstone whose original gave none. */
const REAPPLIED = "Erased before the restore";

/** Erasures that are looked up and appended together. */
const APPLY_ERASURES = 500;

async function applySome({ database, writer }: ApplyErasuresDeps, some: readonly Erasure[]): Promise<number> {
  const log = EVENT_LOG_ADDRESS;
  const wanted = some.map(({ subject, version, recorded }) => [subject, version, recorded]);
  const rows = await database.read({ sql: SELECT_MISSING, args: [log.id, JSON.stringify(wanted)] });
  if (rows.length === 0) return 0;
  const latest = some.reduce((time, { recorded }) => (recorded > time ? recorded : time), "");
  const advanced = await writer.write([{ sql: ADVANCE_RECORDED, args: [log.id, latest] }]);
  if (advanced.outcome === "outdated") throw new KildeError("overloaded", "The database is being written");
  const missing = new Map(
    rows.flatMap((row) => {
      const one = some[integerAt(row, 0)];
      return one === undefined ? [] : [[one.subject, one] as const];
    }),
  );
  const outcomes = await Promise.all(
    Array.from(missing.values(), ({ subject, reason }) =>
      writer.append(erasure(subject, reason ?? REAPPLIED, "exists")),
    ),
  );
  // A subject that is erased already needs no second tombstone.
  return outcomes.filter(({ outcome }) => outcome === "appended").length;
}

/**
 * Applies erasures of another store of the same history, such as the one that a backup replaces: each subject of the
 * event log that still has the events erased there is erased. Applying them again changes nothing. The sweep deletes the
 * events afterwards.
 * @returns the number of subjects that were erased now.
 */
export async function applyErasures(
  deps: ApplyErasuresDeps,
  erasures: Iterable<Erasure> | AsyncIterable<Erasure>,
): Promise<number> {
  let applied = 0;
  let some: Erasure[] = [];
  for await (const one of erasures) {
    some.push(one);
    if (some.length < APPLY_ERASURES) continue;
    applied += await applySome(deps, some);
    some = [];
  }
  return applied + (await applySome(deps, some));
}
