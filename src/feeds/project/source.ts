import { EVENT_ERASED_TYPE } from "../../core/event.ts";
import { prefixEnd } from "../../core/names.ts";
import type { Database, Statement, Value } from "../../storage/database.ts";
import { BATCH_BYTES, type BatchSource } from "../../storage/batch-size.ts";
import type { LogAddress } from "../../log/keys.ts";
import { fittingStatement } from "../../log/read/pages.ts";
import type { Feed } from "../feed.ts";
import { readRows, type SourceRange, type SourceRow } from "./source-rows.ts";

/*
 * The SQL of reading a feed's source, a hot path: events as rows, not in wire form, and only those
 * a feed reads.
 */

export type Bind = (value: Value) => string;

/** SQL tests of the events that a feed reads. */
export function conditions({ types, prefixes }: Feed["source"], bind: Bind): string[] {
  const tests = [`event.type in (select value from json_each(${bind(JSON.stringify(types))}))`];
  const ranges = prefixes.map((prefix) => {
    const end = prefixEnd(prefix);
    const low = `subject.name >= ${bind(prefix)}`;
    return end === null ? low : `(${low} and subject.name < ${bind(end)})`;
  });
  if (ranges.length > 0) tests.push(`(${ranges.join(" or ")})`);
  return tests;
}

/** How many events a range has, and how many of them fit into a batch. */
export function fittingRows({ from, args }: SourceRange): Statement {
  return fittingStatement(from, args, BATCH_BYTES);
}

/** Matching events after a position and up to another, in order. */
export function sourceRange(
  log: LogAddress,
  source: Feed["source"],
  { after, upTo, limit }: { after: number; upTo: number; limit: number },
): SourceRange {
  const args: Value[] = [];
  const bind = (value: Value) => `?${args.push(value)}`;
  const tests = [
    `event.key > ${bind(log.base + after)}`,
    `event.key <= ${bind(log.base + upTo)}`,
    "event.version >= subject.first_version",
    ...conditions(source, bind),
  ];
  const from = `from events as event cross join subjects as subject on subject.id = event.subject
    where ${tests.join(" and ")} order by event.key limit ${bind(limit)}`;
  return { from, args };
}

/** Matching events of one subject after a version and up to a position, in order. */
export function subjectRange(
  log: LogAddress,
  source: Feed["source"],
  query: { subjectId: number; afterVersion: number; upTo: number; limit: number },
): SourceRange {
  const args: Value[] = [];
  const bind = (value: Value) => `?${args.push(value)}`;
  const tests = [
    `event.subject = ${bind(query.subjectId)}`,
    `event.version > ${bind(query.afterVersion)}`,
    `+event.key <= ${bind(log.base + query.upTo)}`,
    "event.version >= subject.first_version",
    ...conditions(source, bind),
  ];
  const from = `from events as event cross join subjects as subject on subject.id = event.subject
    where ${tests.join(" and ")} order by event.version limit ${bind(query.limit)}`;
  return { from, args };
}

interface Contributions {
  readonly subjectId: number;
  /** Place. */
  readonly after: number;
  readonly limit: number;
}

/** Source events that count for a subject of a feed, by its id, after a place, in order; see `origins.ts`. */
export function contributionsRange(log: LogAddress, { subjectId, after, limit }: Contributions): SourceRange {
  const from = `from feed_origins as origin cross join events as event on event.key = ?1 + origin.position
    cross join subjects as subject on subject.id = event.subject
    where origin.subject = ?2 and origin.position > ?3 and event.type <> '${EVENT_ERASED_TYPE}'
      and event.version >= subject.first_version
    order by origin.position limit ?4`;
  return { from, args: [log.base, subjectId, after, limit] };
}

/**
 * The same, of a feed that merges, with all contributions of the last place. It sorts the contributions of the subject,
 * which only an erasure asks for.
 */
export function mergedContributionsRange(
  log: LogAddress,
  { subjectId, after, limit }: Contributions,
): SourceRange {
  const place = "coalesce(origin.place, origin.position)";
  const left = `from feed_origins as origin cross join events as event on event.key = ?1 + origin.position
    cross join subjects as subject on subject.id = event.subject
    where origin.subject = ?2 and ${place} > ?3 and event.type <> '${EVENT_ERASED_TYPE}'
      and event.version >= subject.first_version`;
  const last = `select ${place} ${left} order by ${place} limit 1 offset ?4 - 1`;
  const from = `${left} and ${place} <= coalesce((${last}), ${Number.MAX_SAFE_INTEGER})
    order by ${place}, origin.position limit -1`;
  return { from, args: [log.base, subjectId, after, limit], place };
}

/** Reads the events of a range, whatever their size. */
export async function readSource(
  database: Database,
  log: LogAddress,
  range: SourceRange,
): Promise<SourceRow[]> {
  return (await readRows(database, log, range, null)) ?? [];
}

/** Batches of source events. `span`: the most events there can be; `rangeOf`: the range with at most `limit` events. */
export function sourceBatch(
  database: Pick<Database, "read">,
  log: LogAddress,
  span: number,
  rangeOf: (limit: number) => SourceRange,
): BatchSource<SourceRow> {
  return {
    span,
    database,
    fitting: (limit) => fittingRows(rangeOf(limit)),
    read: (limit, mostBytes) => readRows(database, log, rangeOf(limit), mostBytes),
  };
}

/** Arguments: key. */
const IS_READABLE = `
select 1 from events as event cross join subjects as subject on subject.id = event.subject
where event.key = ?1 and event.version >= subject.first_version and event.type <> '${EVENT_ERASED_TYPE}'`;

/** Whether the event at a position can still be read: it was neither truncated nor erased. */
export async function isReadable(database: Database, log: LogAddress, position: number): Promise<boolean> {
  return (await database.read({ sql: IS_READABLE, args: [log.base + position] })).length > 0;
}
