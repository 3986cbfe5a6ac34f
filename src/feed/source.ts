import { prefixEnd } from "../core/names.ts";
import { type Database, integerAt, type Row, type Statement, textAt, type Value } from "../log/database.ts";
import type { LogAddress } from "../log/keys.ts";
import type { SourceEvent } from "./define.ts";
import type { Feed } from "./feed.ts";

/*
 * The SQL of reading what is projected, a hot path: events as rows, not as they go over the wire, and only those
 * a feed reads.
 */

/** An event of the source, and what of it the events it is published as take over. */
export interface SourceRow {
  readonly event: SourceEvent;
  /** Its place in the log that is read. `event.position` is that in the event log, which a rebuild repeats. */
  readonly position: number;
  /** As stored: null when it is when it was recorded. */
  readonly time: string | null;
  readonly recorded: string;
  /** Length of its data. */
  readonly characters: number;
}

/** Name of the extension with the position in the event log of the event that another is published for. */
export const ORIGIN_EXTENSION = "projectedfrom";

type Bind = (value: Value) => string;

function conditions({ types, prefixes }: Feed["source"], bind: Bind): string[] {
  const tests = [`event.type in (select value from json_each(${bind(JSON.stringify(types))}))`];
  const ranges = prefixes.map((prefix) => {
    const end = prefixEnd(prefix);
    const low = `subject.name >= ${bind(prefix)}`;
    return end === null ? low : `(${low} and subject.name < ${bind(end)})`;
  });
  if (ranges.length > 0) tests.push(`(${ranges.join(" or ")})`);
  return tests;
}

const COLUMNS = `event.key, subject.name, event.version, event.type, event.time, event.recorded, event.data, event.extensions`;

/** Matching events after a position and up to another, in order. */
export function sourceStatement(
  log: LogAddress,
  source: Feed["source"],
  { after, upTo, limit }: { after: number; upTo: number; limit: number },
): Statement {
  const args: Value[] = [];
  const bind = (value: Value) => `?${args.push(value)}`;
  const tests = [
    `event.key > ${bind(log.base + after)}`,
    `event.key <= ${bind(log.base + upTo)}`,
    "event.version >= subject.first_version",
    ...conditions(source, bind),
  ];
  const sql = `select ${COLUMNS}
    from events as event cross join subjects as subject on subject.id = event.subject
    where ${tests.join(" and ")} order by event.key limit ${bind(limit)}`;
  return { sql, args };
}

/** Matching events of one subject after a version and up to a position, in order. */
export function subjectStatement(
  log: LogAddress,
  source: Feed["source"],
  query: { subjectId: number; afterVersion: number; upTo: number; limit: number },
): Statement {
  const args: Value[] = [];
  const bind = (value: Value) => `?${args.push(value)}`;
  const tests = [
    `event.subject = ${bind(query.subjectId)}`,
    `event.version > ${bind(query.afterVersion)}`,
    `+event.key <= ${bind(log.base + query.upTo)}`,
    "event.version >= subject.first_version",
    ...conditions(source, bind),
  ];
  const sql = `select ${COLUMNS}
    from events as event cross join subjects as subject on subject.id = event.subject
    where ${tests.join(" and ")} order by event.version limit ${bind(query.limit)}`;
  return { sql, args };
}

/** The extensions of an event, and its position in the event log where another log tells it. */
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
    time: ownTime,
    recorded,
    characters: typeof data === "string" ? data.length : 0,
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

/** Runs one of the statements above. */
export async function readSource(
  database: Database,
  log: LogAddress,
  statement: Statement,
): Promise<SourceRow[]> {
  return (await database.read(statement)).map((row) => sourceRow(log, row));
}
