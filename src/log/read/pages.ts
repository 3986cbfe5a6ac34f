import { prefixEnd } from "../../core/names.ts";
import type { Statement, Value } from "../../storage/database.ts";
import type { LogAddress } from "../keys.ts";
import { type Framing, framedEvent, LOG_IDENTITY, renderingArgs } from "./render.ts";

/*
 * The SQL of reading, the other hot path: a range of keys for a log, of the index on (subject, version) for one
 * subject. Truncated events that the sweep has not deleted yet are left out.
 */

export type Direction = "forwards" | "backwards";

export interface EventFilter {
  /** Event types to give; absent means all. */
  readonly types?: readonly string[] | undefined;
  /** Only subjects whose name begins so. */
  readonly subjectPrefix?: string | undefined;
  /** All but this subject. */
  readonly exceptSubject?: string | undefined;
  /** Only events recorded at this time or before, in the form of `core/time.ts`. */
  readonly recordedBy?: string | undefined;
}

/** A whole log, whose range is of positions, or one subject by its id, whose range is of versions. */
export type PageSource = "log" | { readonly subjectId: number };

/** Events strictly between two bounds, at most `limit` of them. */
export interface EventSelection {
  readonly source: PageSource;
  readonly after: number;
  readonly before: number;
  readonly direction: Direction;
  readonly filter: EventFilter;
  readonly limit: number;
}

function placeOf(source: PageSource): "event.key" | "event.version" {
  return source === "log" ? "event.key" : "event.version";
}

/** `from … limit` of a selection, binding its values to `args`. Aliases: `event`, `subject`. `also`: further tests. */
export function selected(
  log: LogAddress,
  selection: EventSelection,
  args: Value[],
  also: readonly string[] = [],
): string {
  const { source, after, before, direction, filter, limit } = selection;
  const bind = (value: Value): string => `?${args.push(value)}`;
  const place = placeOf(source);
  const base = source === "log" ? log.base : 0;
  const tests = [
    `${place} > ${bind(base + after)}`,
    `${place} < ${bind(base + before)}`,
    "event.version >= subject.first_version",
    ...also,
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
  if (filter.exceptSubject !== undefined) tests.push(`subject.name <> ${bind(filter.exceptSubject)}`);
  if (filter.recordedBy !== undefined) tests.push(`event.recorded <= ${bind(filter.recordedBy)}`);
  return `from events as event cross join subjects as subject on subject.id = event.subject
    where ${tests.join(" and ")}
    order by ${place} ${direction === "forwards" ? "asc" : "desc"} limit ${bind(limit)}`;
}

/** As what a page leaves the database: bytes spare a program that has it in its process to make a string of them. */
export type Form = "text" | "bytes";

/** Gives a row for each event: position, subject, type, framed text. No rows when the log has another identity. */
export function entriesStatement(
  log: LogAddress,
  identity: string,
  selection: EventSelection,
  framing: Framing,
): Statement {
  const args = [...renderingArgs(log), identity];
  const from = selected(log, selection, args, [`${LOG_IDENTITY} = ?4`]);
  const sql = `select event.key - ?1, subject.name, event.type, ${framedEvent(framing)} ${from}`;
  return { sql, args };
}

/**
 * Bytes around the data and extensions of an event that every event has: names of members, times, numbers. An upper
 * bound, so that an event is never larger than it was counted.
 */
export const ENVELOPE_BYTES = 450;

/** Bytes of a column that may be NULL, which would make the whole sum NULL. `case`: most are, and a call costs more. */
function bytesOrNone(column: string): string {
  return `case when ${column} is null then 0 else octet_length(${column}) end`;
}

/**
 * Bytes of an event on the wire, rounded up. Names are counted three times, since a server-sent event has the type twice
 * and JSON may escape both. Every operation here is made once for each event of a page.
 */
export const BYTES_OF_EVENT = `${ENVELOPE_BYTES} + coalesce(octet_length(event.data), 0) + ${bytesOrNone("event.extensions")}
  + 3 * (octet_length(event.type) + octet_length(subject.name)) + ${bytesOrNone("event.time")}`;

/**
 * Gives one row: count, the framed text (or null), the log's identity (empty where a replica does not have the log yet),
 * and how often something was removed from it. `mostBytes`: only events that have at most so many bytes on the wire.
 */
export function pageStatement(
  log: LogAddress,
  selection: EventSelection,
  framing: Framing,
  form: Form = "text",
  mostBytes: number | null = null,
): Statement {
  const args = renderingArgs(log);
  const also = mostBytes === null ? [] : [`${BYTES_OF_EVENT} <= ?${args.push(mostBytes)}`];
  const from = selected(log, selection, args, also);
  const joined = "group_concat(text, '')";
  const page = form === "bytes" ? `cast(${joined} as blob)` : joined;
  const sql = `select count(*), ${page}, coalesce(${LOG_IDENTITY}, ''), coalesce((select removals from logs where id = ?3), 0)
  from (select ${framedEvent(framing)} as text ${from})`;
  return { sql, args };
}

/** Gives one row: the bytes of the events on the wire. Reads sizes only, so it costs a fraction of the page. */
export function bytesStatement(log: LogAddress, selection: EventSelection): Statement {
  const args: Value[] = [];
  const from = selected(log, selection, args);
  return { sql: `select coalesce(sum(bytes), 0) from (select ${BYTES_OF_EVENT} as bytes ${from})`, args };
}

/**
 * Gives one row: how many events a range has, and how many of them fit into `maxBytes`, in their order. `from` is the
 * `from … limit` of the range, with its `args` and the aliases of {@link selected}.
 */
export function fittingStatement(from: string, args: readonly Value[], maxBytes: number): Statement {
  const bound = `?${args.length + 1}`;
  const running = `select sum(bytes) over (rows unbounded preceding) as total from (select ${BYTES_OF_EVENT} as bytes ${from})`;
  return {
    sql: `select count(*), coalesce(sum(total <= ${bound}), 0) from (${running})`,
    args: [...args, maxBytes],
  };
}

/** {@link fittingStatement} of a selection. */
export function fittingSelection(log: LogAddress, selection: EventSelection, maxBytes: number): Statement {
  const args: Value[] = [];
  return fittingStatement(selected(log, selection, args), args, maxBytes);
}
