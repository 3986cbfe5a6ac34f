import { drizzle, type SqliteRemoteDatabase } from "drizzle-orm/sqlite-proxy";
import { and, asc, DrizzleQueryError, eq, gt, gte, lt, lte, type SQL, sql } from "drizzle-orm";

import type { Clock } from "../../core/clock.ts";
import { prefixEnd } from "../../core/names.ts";
import { type Database, integerAt, textAt, type Value } from "../../storage/database.ts";
import { type LogAddress, logAddress } from "../keys.ts";
import { events, subjects } from "../schema.ts";

/** Builds the queries that are not hot; the database runs them like any other. */
function queryBuilder(database: Database): SqliteRemoteDatabase {
  return drizzle(async (text, args: Value[], method) => {
    const rows = await database.read({ sql: text, args });
    return { rows: method === "get" ? ((rows[0] ?? []) as unknown[]) : [...rows] };
  });
}

/** The rows of a query. Throws the error of the database, which drizzle wraps. */
async function runQuery<Row>(query: PromiseLike<Row[]>): Promise<Row[]> {
  try {
    return await query;
  } catch (error) {
    throw error instanceof DrizzleQueryError ? (error.cause ?? error) : error;
  }
}

/** A subject as it is now. */
export interface SubjectRow {
  readonly id: number;
  readonly name: string;
  /** Version and position of its last event. */
  readonly version: number;
  readonly position: number;
  /** When its last event was recorded. */
  readonly recorded: string;
  /** Events below it were truncated or erased. */
  readonly firstVersion: number;
  readonly erased: boolean;
}

const lastVersion = sql`(select version from events where subject = ${subjects.id} order by version desc limit 1)`;

function infoColumns(log: LogAddress) {
  return {
    id: subjects.id,
    name: subjects.name,
    version: events.version,
    position: sql<number>`${events.key} - ${log.base}`,
    recorded: events.recorded,
    firstVersion: subjects.firstVersion,
    erased: sql<number>`${subjects.erased} is not null`,
  };
}

type InfoRow = Omit<SubjectRow, "erased"> & { readonly erased: number };

function infoOf({ erased, ...row }: InfoRow): SubjectRow {
  return { ...row, erased: erased === 1 };
}

/** Every read of a subject begins with it, so it is hand-written. Arguments: base key, log id, name. */
export const FIND_SUBJECT = `
select subject.id, event.version, event.key - ?1, event.recorded, subject.first_version, subject.erased is not null
from subjects as subject cross join events as event on event.subject = subject.id and event.version =
  (select version from events where subject = subject.id order by version desc limit 1)
where subject.log = ?2 and subject.name = ?3`;

/** The subject of this name, or null when it never had an event. */
export async function findSubject(
  database: Database,
  log: LogAddress,
  name: string,
): Promise<SubjectRow | null> {
  const [row] = await database.read({ sql: FIND_SUBJECT, args: [log.base, log.id, name] });
  if (row === undefined) return null;
  return {
    id: integerAt(row, 0),
    name,
    version: integerAt(row, 1),
    position: integerAt(row, 2),
    recorded: textAt(row, 3),
    firstVersion: integerAt(row, 4),
    erased: integerAt(row, 5) === 1,
  };
}

export interface SubjectList {
  readonly subjects: readonly SubjectRow[];
  /** The limit was used up: there may be more. */
  readonly full: boolean;
}

function ofPrefix(prefix: string): (SQL | undefined)[] {
  if (prefix === "") return [];
  const end = prefixEnd(prefix);
  return [gte(subjects.name, prefix), end === null ? undefined : lt(subjects.name, end)];
}

/** Subjects in order of name (code points), after the one named `cursor`. */
export async function listSubjects(
  database: Database,
  log: LogAddress,
  { prefix, cursor, limit }: { prefix: string; cursor: string; limit: number },
): Promise<SubjectList> {
  const query = queryBuilder(database)
    .select(infoColumns(log))
    .from(subjects)
    .innerJoin(events, and(eq(events.subject, subjects.id), eq(events.version, lastVersion)))
    .where(and(eq(subjects.log, log.id), gt(subjects.name, cursor), ...ofPrefix(prefix)))
    .orderBy(asc(subjects.name))
    .limit(limit);
  const rows = await runQuery(query);
  return { subjects: rows.map(infoOf), full: rows.length === limit };
}

/** Positions that one query for changed subjects looks through. */
const SCAN_WINDOW = 10_000;

/**
 * Subjects with an event after `since`, in order of their last position; the last position of a full list is
 * where to continue. Costs as much as was appended since, whatever the number of subjects.
 */
export async function listChangedSubjects(
  { database, clock }: { database: Database; clock: Clock },
  log: LogAddress,
  { prefix, since, head, limit }: { prefix: string; since: number; head: number; limit: number },
): Promise<SubjectList> {
  const found: SubjectRow[] = [];
  for (let low = since; low < head && found.length < limit; low += SCAN_WINDOW) {
    const query = queryBuilder(database)
      .select(infoColumns(log))
      .from(events)
      .innerJoin(subjects, eq(subjects.id, events.subject))
      .where(
        and(
          gt(events.key, log.base + low),
          lte(events.key, log.base + Math.min(head, low + SCAN_WINDOW)),
          eq(events.version, lastVersion),
          ...ofPrefix(prefix),
        ),
      )
      .orderBy(asc(events.key))
      .limit(limit - found.length);
    const rows = await runQuery(query);
    found.push(...rows.map(infoOf));
    await clock.yield();
  }
  return { subjects: found, full: found.length === limit };
}

/**
 * A subject's versions are gapless from its first, and positions grow with them, and in the event log recorded times too:
 * the version at a position or a time is found by halving, without reading the events in between.
 * Arguments: subject id, least version less one, greatest version, bound. Drivers bind numbers as REAL, which
 * would not halve to whole numbers.
 */
export function versionAtStatement(column: "key" | "recorded"): string {
  const middle = "(low + high + 1) / 2";
  const reached = `exists (select 1 from events where subject = ?1 and version = ${middle} and ${column} <= ?4)`;
  return `with recursive search (low, high) as (
    values (cast(?2 as integer), cast(?3 as integer))
    union all
    select iif(${reached}, ${middle}, low), iif(${reached}, high, ${middle} - 1) from search where low < high
  )
  select low from search where low = high`;
}

/** Version of the subject's last event at or before a position, or a recorded time (UTC, ms); at least `firstVersion - 1`. */
export async function versionAt(
  database: Database,
  log: LogAddress,
  { id, firstVersion, version, position }: SubjectRow,
  bound: { position: number } | { recorded: string },
): Promise<number> {
  // Followers of a subject mostly ask from its last event.
  if ("position" in bound && bound.position >= position) return version;
  const [column, value] =
    "position" in bound
      ? (["key", log.base + bound.position] as const)
      : (["recorded", bound.recorded] as const);
  const [row] = await database.read({
    sql: versionAtStatement(column),
    args: [id, firstVersion - 1, version, value],
  });
  return integerAt(row, 0);
}

/** Position of the last event of a log ever appended; 0 when there is none, or a replica does not have the log yet. */
export async function readHead(database: Database, log: LogAddress): Promise<number> {
  const [row] = await database.read({ sql: "select head from logs where id = ?", args: [log.id] });
  return row === undefined ? 0 : integerAt(row, 0);
}

/** The log at a path; null when there is none. */
export async function findLog(database: Database, path: string): Promise<LogAddress | null> {
  const [row] = await database.read({ sql: "select id from logs where name = ?", args: [path] });
  return row === undefined ? null : logAddress(integerAt(row, 0), path);
}
