import { type BatchSize, readBatch } from "../../storage/batch-size.ts";
import { type Database, integerAt, type Statement, type Value } from "../../storage/database.ts";
import { LOG_SPAN, type LogAddress } from "../../log/keys.ts";
import { rowsParameters } from "../../storage/parameters.ts";
import type { AheadRow } from "./plan.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";
import { type Bind, conditions, readSource, sourceBatch } from "./source.ts";
import type { SourceRange, SourceRow } from "./source-rows.ts";

/*
 * A re-keyed feed of a feed gathers events of several subjects of its source, so that their order matters. But in which
 * order the source published them depends on which of its subjects were read: these were published ahead of its cursor. So
 * such a feed _merges_: it takes the events of its source in the order of the event log, by `projectedfrom`, and only up to
 * where its source is complete.
 *
 * `feed_ahead` has the events that were published ahead. All others of the source are in order: they are read by position
 * (`feeds.cursor`), and the ones that were published ahead are put between them (`feeds.merged`). An event that is published for an
 * event that was ahead in its source is ahead as well.
 */

/** Source positions that one query looks through. */
const WINDOW = 20_000;

/** Places of events that are merged come after those of events that were gathered by position, before there was a merge. */
const MERGED_PLACE = LOG_SPAN;

const ORIGIN = "cast(event.extensions ->> '$.projectedfrom' as integer)";
const PLACE = `${MERGED_PLACE} + ${ORIGIN}`;

/** Arguments: log id, JSON of `AheadRow`s. */
export const INSERT_AHEAD = `
insert into feed_ahead (log, position, origin)
select ?1, log.head + 1 + (entry.value ->> 0), entry.value ->> 1
from logs as log cross join json_each(?2) as entry where log.id = ?1`;

/** Part of the batch that publishes, before the head moves. */
export function aheadStatements(log: LogAddress, rows: readonly AheadRow[]): Statement[] {
  if (rows.length === 0) return [];
  return rowsParameters(rows).map(({ json }) => ({ sql: INSERT_AHEAD, args: [log.id, json] }));
}

/** Arguments: log id, first and last position. */
export const SELECT_AHEAD =
  "select position from feed_ahead where log = ?1 and position >= ?2 and position <= ?3";

/** Which positions of a log, within a range, were published ahead. */
export async function readAhead(
  database: Database,
  log: LogAddress,
  low: number,
  high: number,
): Promise<ReadonlySet<number>> {
  const rows = await database.read({ sql: SELECT_AHEAD, args: [log.id, low, high] });
  return new Set(rows.map((row) => integerAt(row, 0)));
}

/** Arguments: log id, position in the event log. */
export const IS_AHEAD_LEFT = "select 1 from feed_ahead where log = ?1 and origin > ?2 limit 1";

/** Whether a source has events that were published ahead, and are not merged yet. */
export async function isAheadLeft(database: Database, source: LogAddress, merged: number): Promise<boolean> {
  return (await database.read({ sql: IS_AHEAD_LEFT, args: [source.id, merged] })).length > 0;
}

/** Arguments: base key, last key, log id. The last event up to a key that was not published ahead. */
export const LAST_IN_ORDER = `
select ${ORIGIN} from events as event where event.key > ?1 and event.key <= ?2
  and not exists (select 1 from feed_ahead where log = ?3 and position = event.key - ?1)
order by event.key desc limit 1`;

/** The progress of a feed that keeps the subjects of the event log. */
export interface Completeness {
  /** All events of the feed that come from events up to this position of the event log are at or below its head. */
  readonly complete: number;
  readonly head: number;
}

/** Reads the progress of the source of a feed that merges, and of all feeds that the source is projected from. */
export async function readCompleteness(
  database: Database,
  { upstream }: RegisteredFeed,
): Promise<Completeness> {
  const chain: RegisteredFeed[] = [];
  for (let one = upstream; one !== null; one = one.upstream) chain.unshift(one);
  const args: Value[] = chain.map(({ log }) => log.id);
  const columns = args.map(
    (_, index) =>
      `(select cursor from feeds where log = ?${index + 1}), (select head from logs where id = ?${index + 1})`,
  );
  // All as of the same moment.
  const [row] = await database.read({ sql: `select ${columns.join(", ")}`, args });
  let complete = 0;
  let head = 0;
  for (const [index, { source }] of chain.entries()) {
    const cursor = integerAt(row, 2 * index);
    if (index === 0) complete = cursor;
    else if (cursor < head) {
      const keys = [source.base, source.base + cursor, source.id];
      const [last] = await database.read({ sql: LAST_IN_ORDER, args: keys });
      complete = Math.min(complete, last === undefined ? 0 : integerAt(last, 0) - 1);
    }
    head = integerAt(row, 2 * index + 1);
  }
  return { complete, head };
}

/** The next events in the source of a feed that merges. */
export interface Merge {
  /** In the order in which they count. */
  readonly rows: readonly SourceRow[];
  /** As they are when the rows are projected: see `feeds`. */
  readonly cursor: number;
  readonly merged: number;
  /** Of the source. */
  readonly head: number;
  /** Whether rows were published ahead. */
  readonly hasAhead: boolean;
  /** The same up to an event that cannot be projected. */
  before(failed: SourceRow): Merge;
}

interface Parts extends Pick<Merge, "cursor" | "merged" | "head"> {
  readonly inOrder: readonly SourceRow[];
  readonly ahead: readonly SourceRow[];
  /** Where it began. */
  readonly from: Pick<Merge, "cursor" | "merged">;
}

/** Leaves out events that come from events of the event log after a position. */
function upTo(parts: Parts, origin: number): Parts {
  const { inOrder, from } = parts;
  const end = inOrder.findIndex(({ event }) => event.position > origin);
  const next = end < 0 ? undefined : inOrder[end];
  return {
    ...parts,
    inOrder: end < 0 ? inOrder : inOrder.slice(0, end),
    ahead: parts.ahead.filter(({ event }) => event.position <= origin),
    cursor: next === undefined ? parts.cursor : Math.max(from.cursor, next.position - 1),
    merged: Math.max(from.merged, Math.min(parts.merged, origin)),
  };
}

function mergeOf(parts: Parts): Merge {
  const rows = [...parts.inOrder, ...parts.ahead].toSorted(
    (a, b) => a.place - b.place || a.position - b.position,
  );
  const { cursor, merged, head } = parts;
  return {
    rows,
    cursor,
    merged,
    head,
    hasAhead: parts.ahead.length > 0,
    before: ({ event }) => mergeOf(upTo(parts, event.position - 1)),
  };
}

function inOrderRange(
  { feed, source }: RegisteredFeed,
  { after, end, limit }: { after: number; end: number; limit: number },
): SourceRange {
  const args: Value[] = [];
  const bind: Bind = (value) => `?${args.push(value)}`;
  const tests = [
    `event.key > ${bind(source.base + after)}`,
    `event.key <= ${bind(source.base + end)}`,
    `not exists (select 1 from feed_ahead where log = ${bind(source.id)} and position = event.key - ${bind(source.base)})`,
    "event.version >= subject.first_version",
    ...conditions(feed.source, bind),
  ];
  const from = `from events as event cross join subjects as subject on subject.id = event.subject
    where ${tests.join(" and ")} order by event.key limit ${bind(limit)}`;
  return { from, args, place: PLACE };
}

function aheadRange(
  { feed, source }: RegisteredFeed,
  { after, end, limit }: { after: number; end: number; limit: number },
): SourceRange {
  const args: Value[] = [];
  const bind: Bind = (value) => `?${args.push(value)}`;
  const tests = [
    `ahead.log = ${bind(source.id)}`,
    `ahead.origin > ${bind(after)}`,
    `ahead.origin <= ${bind(end)}`,
    "event.version >= subject.first_version",
    ...conditions(feed.source, bind),
  ];
  const from = `from feed_ahead as ahead cross join events as event on event.key = ${bind(source.base)} + ahead.position
    cross join subjects as subject on subject.id = event.subject
    where ${tests.join(" and ")} order by ahead.origin, ahead.position limit ${bind(limit)}`;
  return { from, args, place: PLACE };
}

/** Reads the next events after a cursor, and after the merged ones. */
export async function readMerge(
  database: Database,
  registered: RegisteredFeed,
  from: Pick<Merge, "cursor" | "merged">,
  size: BatchSize,
): Promise<Merge> {
  const { source } = registered;
  const { complete, head } = await readCompleteness(database, registered);
  const end = Math.max(from.cursor, Math.min(head, from.cursor + WINDOW));
  const { rows, limit } = await readBatch(
    size,
    sourceBatch(database, source, end - from.cursor, (most) =>
      inOrderRange(registered, { after: from.cursor, end, limit: most }),
    ),
  );
  const isFull = rows.length === limit;
  const reached = rows.reduce((most, { event }) => Math.max(most, event.position), from.merged);
  const cursor = isFull ? (rows.at(-1)?.position ?? end) : end;
  const isEnd = !isFull && end >= head;
  const found: Parts = {
    inOrder: rows,
    ahead: [],
    cursor,
    merged: isEnd ? complete : Math.min(complete, reached),
    head,
    from,
  };
  const inOrder = upTo(found, complete);
  // There may be more that come from the same event as the last one.
  const whole = isFull && reached <= complete ? upTo(inOrder, reached - 1) : inOrder;
  const chosen = whole.inOrder.length > 0 ? whole : inOrder;
  const range = { after: from.merged, end: chosen.merged };
  const { ahead, known } = await readAheadRows(database, registered, range, size);
  return mergeOf(upTo({ ...chosen, ahead }, known));
}

/**
 * Events that were published ahead, and come from a range of the event log. `known`: the position up to which they are all
 * that there are.
 */
async function readAheadRows(
  database: Database,
  registered: RegisteredFeed,
  { after, end }: { readonly after: number; readonly end: number },
  size: BatchSize,
): Promise<{ readonly ahead: readonly SourceRow[]; readonly known: number }> {
  if (end <= after) return { ahead: [], known: end };
  const { source } = registered;
  const { rows, limit } = await readBatch(
    size,
    sourceBatch(database, source, LOG_SPAN, (most) => aheadRange(registered, { after, end, limit: most })),
  );
  const [first, last] = [rows[0]?.event.position, rows.at(-1)?.event.position];
  if (first === undefined || last === undefined || rows.length < limit) return { ahead: rows, known: end };
  if (first < last) return { ahead: rows, known: last - 1 };
  // All of them come from one event: events that were published together are read together.
  const range = aheadRange(registered, { after: first - 1, end: first, limit: LOG_SPAN });
  return { ahead: await readSource(database, source, range), known: first };
}
