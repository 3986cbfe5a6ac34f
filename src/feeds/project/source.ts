import { EVENT_ERASED_TYPE } from "../../core/event.ts";
import { prefixEnd } from "../../core/names.ts";
import {
  type Database,
  integerAt,
  type Row,
  type Statement,
  textAt,
  type Value,
} from "../../storage/database.ts";
import { BATCH_BYTES, type BatchSource } from "../../storage/batch-size.ts";
import type { LogAddress } from "../../log/keys.ts";
import { fittingStatement } from "../../log/read/pages.ts";
import type { SourceEvent } from "../define/define.ts";
import type { Feed } from "../feed.ts";

/*
 * The SQL of reading a feed's source, a hot path: events as rows, not in wire form, and only those
 * a feed reads.
 */

/** An event of the source, with the attributes that its published events take over. */
export interface SourceRow {
  readonly event: SourceEvent;
  /** Its place in the log that is read. `event.position` is that in the event log, which a rebuild repeats. */
  readonly position: number;
  /** Grows in the order in which the feed gathers events: the position, unless the feed merges. */
  readonly place: number;
  /** As stored: null when it is when it was recorded. */
  readonly time: string | null;
  readonly recorded: string;
  /** Length of its data and extensions. */
  readonly characters: number;
}

/** Name of the extension with the position in the event log of the event that another is published for. */
export const ORIGIN_EXTENSION = "projectedfrom";

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

const ENVELOPE = "event.key, subject.name, event.version, event.type, event.time, event.recorded";

/** Replaces a text that exceeds the requested bytes. Stored content is text or NULL, so this number is no content. */
const TOO_LARGE = 1;

/**
 * SQL: a text that is not empty, or {@link TOO_LARGE} where it has more bytes than the argument `bound`. An older version
 * stored an empty text for events without data.
 */
const bounded = (column: string, bound: string) =>
  `case when octet_length(${column}) > ${bound} then ${TOO_LARGE} when ${column} <> '' then ${column} end`;

/** `from … limit` of matching events, with the values that it binds. */
export interface Range {
  readonly from: string;
  readonly args: readonly Value[];
  /** SQL: `SourceRow.place`. Default: the position. */
  readonly place?: string;
}

/** Selects the events of a range, with content up to `mostBytes` each; null: whatever its size. */
export function rowsStatement({ from, args, place = "null" }: Range, mostBytes: number | null): Statement {
  const bound = `?${args.length + 1}`;
  const content = ["event.data", "event.extensions"].map((column) => bounded(column, bound));
  return {
    sql: `select ${ENVELOPE}, ${content.join(", ")}, ${place} ${from}`,
    args: [...args, mostBytes ?? Number.MAX_SAFE_INTEGER],
  };
}

/** How many events a range has, and how many of them fit into a batch. */
export function fittingRows({ from, args }: Range): Statement {
  return fittingStatement(from, args, BATCH_BYTES);
}

/** Matching events after a position and up to another, in order. */
export function sourceRange(
  log: LogAddress,
  source: Feed["source"],
  { after, upTo, limit }: { after: number; upTo: number; limit: number },
): Range {
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
): Range {
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
export function contributionsRange(log: LogAddress, { subjectId, after, limit }: Contributions): Range {
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
export function mergedContributionsRange(log: LogAddress, { subjectId, after, limit }: Contributions): Range {
  const place = "coalesce(origin.place, origin.position)";
  const left = `from feed_origins as origin cross join events as event on event.key = ?1 + origin.position
    cross join subjects as subject on subject.id = event.subject
    where origin.subject = ?2 and ${place} > ?3 and event.type <> '${EVENT_ERASED_TYPE}'
      and event.version >= subject.first_version`;
  const last = `select ${place} ${left} order by ${place} limit 1 offset ?4 - 1`;
  const from = `${left} and ${place} <= coalesce((${last}), ${Number.MAX_SAFE_INTEGER})
    order by ${place}, origin.position`;
  return { from, args: [log.base, subjectId, after, limit], place };
}

/** The extensions of an event, and its position in the event log where another log states it. */
function extensionsOf(row: Row): { readonly extensions: Record<string, unknown>; readonly origin: unknown } {
  const text = row[7];
  if (typeof text !== "string") return { extensions: {}, origin: undefined };
  const { [ORIGIN_EXTENSION]: origin, ...extensions } = JSON.parse(text) as Record<string, unknown>;
  return { extensions, origin };
}

function sourceRow(log: LogAddress, row: Row): SourceRow {
  const position = integerAt(row, 0) - log.base;
  const { extensions, origin } = extensionsOf(row);
  const [time, recorded, data] = [row[4], textAt(row, 5), row[6]];
  const ownTime = typeof time === "string" ? time : null;
  return {
    position,
    place: typeof row[8] === "number" ? row[8] : position,
    time: ownTime,
    recorded,
    characters:
      (typeof data === "string" ? data.length : 0) + (typeof row[7] === "string" ? row[7].length : 0),
    event: {
      type: textAt(row, 3),
      subject: textAt(row, 1),
      version: integerAt(row, 2),
      position: log.id === 0 ? position : Number(origin),
      time: ownTime ?? recorded,
      data: typeof data === "string" ? (JSON.parse(data) as unknown) : null,
      extensions,
    },
  };
}

/** Reads the events of a range. Null: the content of one of them exceeds `mostBytes`. */
async function readBounded(
  database: Database,
  log: LogAddress,
  range: Range,
  mostBytes: number | null,
): Promise<SourceRow[] | null> {
  const rows = await database.read(rowsStatement(range, mostBytes));
  const hasLarge = rows.some((row) => row[6] === TOO_LARGE || row[7] === TOO_LARGE);
  return hasLarge ? null : rows.map((row) => sourceRow(log, row));
}

/** Reads the events of a range, whatever their size. */
export async function readSource(database: Database, log: LogAddress, range: Range): Promise<SourceRow[]> {
  return (await readBounded(database, log, range, null)) ?? [];
}

/** Batches of source events. `span`: the most events there can be; `rangeOf`: the range with at most `limit` events. */
export function sourceBatch(
  database: Database,
  log: LogAddress,
  span: number,
  rangeOf: (limit: number) => Range,
): BatchSource<SourceRow> {
  return {
    span,
    database,
    fitting: (limit) => fittingRows(rangeOf(limit)),
    read: (limit, mostBytes) => readBounded(database, log, rangeOf(limit), mostBytes),
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
