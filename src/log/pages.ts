import { prefixEnd } from "../core/names.ts";
import type { Statement, Value } from "./database.ts";
import type { LogAddress } from "./keys.ts";
import { type Framing, framedEvent } from "./render.ts";

/*
 * The SQL of reading, the other hot path: a range of keys for a log, of the index on (subject, version) for one
 * subject. Truncated events that the sweep has not deleted yet are left out.
 */

export type Direction = "forwards" | "backwards";

export interface Filter {
  /** Event types to give; absent means all. */
  readonly types?: readonly string[] | undefined;
  /** Only subjects whose name begins so. */
  readonly subjectPrefix?: string | undefined;
}

/** A whole log, whose range is of positions, or one subject by its id, whose range is of versions. */
export type Source = "log" | { readonly subjectId: number };

/** Events strictly between two bounds, at most `limit` of them. */
export interface Selection {
  readonly source: Source;
  readonly after: number;
  readonly before: number;
  readonly direction: Direction;
  readonly filter: Filter;
  readonly limit: number;
}

function placeOf(source: Source): "event.key" | "event.version" {
  return source === "log" ? "event.key" : "event.version";
}

/** `from … limit` of a selection, binding its values to `args`. Aliases: `event`, `subject`. */
export function selected(log: LogAddress, selection: Selection, args: Value[]): string {
  const { source, after, before, direction, filter, limit } = selection;
  const bind = (value: Value): string => `?${args.push(value)}`;
  const place = placeOf(source);
  const base = source === "log" ? log.base : 0;
  const tests = [
    `${place} > ${bind(base + after)}`,
    `${place} < ${bind(base + before)}`,
    "event.version >= subject.first_version",
  ];
  if (source !== "log") tests.unshift(`event.subject = ${bind(source.subjectId)}`);
  if (filter.types !== undefined) {
    tests.push(`event.type in (select value from json_each(${bind(JSON.stringify(filter.types))}))`);
  }
  if (filter.subjectPrefix !== undefined && filter.subjectPrefix !== "") {
    tests.push(`subject.name >= ${bind(filter.subjectPrefix)}`);
    const end = prefixEnd(filter.subjectPrefix);
    if (end !== null) tests.push(`subject.name < ${bind(end)}`);
  }
  return `from events as event cross join subjects as subject on subject.id = event.subject
    where ${tests.join(" and ")}
    order by ${place} ${direction === "forwards" ? "asc" : "desc"} limit ${bind(limit)}`;
}

/** As what a page leaves the database: bytes spare a program that has it in its process to make a string of them. */
export type Form = "text" | "bytes";

/** Gives one row: count, first and last position in order of the log (0 when empty), the framed text (or null). */
export function pageStatement(
  log: LogAddress,
  selection: Selection,
  framing: Framing,
  form: Form = "text",
): Statement {
  const args: Value[] = [log.base, JSON.stringify(log.name)];
  const from = selected(log, selection, args);
  const joined = "group_concat(text, '')";
  const page = form === "bytes" ? `cast(${joined} as blob)` : joined;
  const sql = `select count(*), coalesce(min(position), 0), coalesce(max(position), 0), ${page}
  from (select event.key - ?1 as position, ${framedEvent(framing, "?1", "?2")} as text ${from})`;
  return { sql, args };
}

/** Gives a row for each event: position, subject, type, framed text. */
export function entriesStatement(log: LogAddress, selection: Selection, framing: Framing): Statement {
  const args: Value[] = [log.base, JSON.stringify(log.name)];
  const from = selected(log, selection, args);
  const sql = `select event.key - ?1, subject.name, event.type, ${framedEvent(framing, "?1", "?2")} ${from}`;
  return { sql, args };
}

const BYTES = "octet_length(event.data) + coalesce(octet_length(event.extensions), 0)";

/** Gives one row: the bytes of the events' JSON. Reads sizes only, so it costs a fraction of the page. */
export function bytesStatement(log: LogAddress, selection: Selection): Statement {
  const args: Value[] = [];
  const from = selected(log, selection, args);
  return { sql: `select coalesce(sum(bytes), 0) from (select ${BYTES} as bytes ${from})`, args };
}

/** Gives one row: how many events there are before their bytes reach `maxBytes`. */
export function countWithinStatement(log: LogAddress, selection: Selection, maxBytes: number): Statement {
  const args: Value[] = [maxBytes];
  const from = selected(log, selection, args);
  const running = `sum(bytes) over (rows unbounded preceding)`;
  const sql = `select count(*) from (select ${running} as total from (select ${BYTES} as bytes ${from})) where total <= ?1`;
  return { sql, args };
}
