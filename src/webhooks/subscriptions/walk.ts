import { type Database, integerAt, type Statement, type Value } from "../../storage/database.ts";
import type { LogAddress } from "../../log/keys.ts";
import { type EventFilter, type EventSelection, selected } from "../../log/read/pages.ts";
import { versionAt } from "../../log/read/subjects.ts";
import type { LaneRewind } from "../dispatch/lane.ts";
import type { Rewind } from "./subscription.ts";

/*
 * A rewind walks through its range and starts the redelivery of each subject at the first of its events there. A
 * subject with a new event in the meantime is redelivered at once, _ahead_ of the walk, so that its events stay in
 * order.
 */

/** The first event of a subject within a rewind. */
export interface RewindStart {
  readonly subject: number;
  readonly version: number;
  readonly position: number;
}

/** Subjects whose redelivery starts at a time, and positions that one query examines for them. */
export const WALK_SUBJECTS = 64;
const WALK_WINDOW = 10_000;

export interface WalkDeps {
  readonly database: Database;
  readonly log: LogAddress;
  readonly filter: EventFilter;
}

function ofType({ types }: EventFilter, alias: string, args: Value[]): string {
  return types === undefined
    ? ""
    : `and ${alias}.type in (select value from json_each(?${args.push(JSON.stringify(types))}))`;
}

/** Selected events of a range of positions, each with the key of the previous selected event of its subject. */
function withPrevious(log: LogAddress, selection: EventSelection) {
  const args: Value[] = [log.base];
  const before = `coalesce((select before.key from events as before
      where before.subject = event.subject and before.version < event.version
        ${ofType(selection.filter, "before", args)}
      order by before.version desc limit 1), 0)`;
  const all = selected(log, selection, args);
  const sql = `select event.subject as subject, event.version as version, event.key - ?1 as position,
    ${before} as previous ${all}`;
  return { sql, args };
}

/** Selected events of a range that are the first of their subject after a position. */
export function rewindStartsStatement(log: LogAddress, selection: EventSelection, after: number): Statement {
  const { sql, args } = withPrevious(log, { ...selection, limit: WALK_WINDOW });
  const [first, limit] = [args.push(log.base + after), args.push(selection.limit)];
  return {
    sql: `select subject, version, position from (${sql}) where previous <= ?${first} order by position limit ?${limit}`,
    args,
  };
}

/** Counts the events and subjects that a rewind would redeliver. Reads all of its range, a window at a time. */
export async function countRange(
  { database, log, filter }: WalkDeps,
  { after, upTo }: { readonly after: number; readonly upTo: number },
): Promise<{ readonly events: number; readonly subjects: number }> {
  const total = { events: 0, subjects: 0 };
  for (let low = after; low < upTo; low += WALK_WINDOW) {
    const range = { source: "log", after: low, before: Math.min(upTo, low + WALK_WINDOW) + 1 } as const;
    const { sql, args } = withPrevious(log, { ...range, direction: "forwards", filter, limit: WALK_WINDOW });
    const [row] = await database.read({
      sql: `select count(*), coalesce(sum(previous <= ?${args.push(log.base + after)}), 0) from (${sql})`,
      args,
    });
    total.events += integerAt(row, 0);
    total.subjects += integerAt(row, 1);
  }
  return total;
}

/** The next subjects that start in the range, and the position up to which it was examined. */
export async function nextRewindStarts(
  { database, log, filter }: WalkDeps,
  { after, upTo, walked }: Rewind,
): Promise<{ readonly starts: readonly RewindStart[]; readonly walked: number }> {
  const end = Math.min(upTo, walked + WALK_WINDOW);
  const range = { source: "log", after: walked, before: end + 1, direction: "forwards" } as const;
  const statement = rewindStartsStatement(log, { ...range, filter, limit: WALK_SUBJECTS }, after);
  const starts = (await database.read(statement)).map((row) => ({
    subject: integerAt(row, 0),
    version: integerAt(row, 1),
    position: integerAt(row, 2),
  }));
  const full = starts.length === WALK_SUBJECTS;
  return { starts, walked: full ? (starts.at(-1)?.position ?? end) : end };
}

/** The range of a subject's versions, and its last position. */
async function extentOf({ database, log }: WalkDeps, subject: number) {
  const [row] = await database.read({
    sql: `select subject.first_version, event.version, event.key - ?1
      from subjects as subject cross join events as event on event.subject = subject.id
      where subject.id = ?2 order by event.version desc limit 1`,
    args: [log.base, subject],
  });
  if (row === undefined) return null;
  const [firstVersion, version, position] = [integerAt(row, 0), integerAt(row, 1), integerAt(row, 2)];
  return { id: subject, name: "", recorded: "", erased: false, firstVersion, version, position };
}

/** The first event of a subject within a range; null when it has no selected event there. */
export async function rewindStartOf(
  deps: WalkDeps,
  subject: number,
  { after, upTo }: Pick<Rewind, "after" | "upTo">,
): Promise<RewindStart | null> {
  const extent = await extentOf(deps, subject);
  if (extent === null) return null;
  const from = await versionAt(deps.database, deps.log, extent, { position: after });
  const args: Value[] = [deps.log.base, subject, Math.max(from, extent.firstVersion - 1)];
  const sql = `select event.version, event.key - ?1 from events as event
    where event.subject = ?2 and event.version > ?3 ${ofType(deps.filter, "event", args)}
    order by event.version limit 1`;
  const [row] = await deps.database.read({ sql, args });
  if (row === undefined) return null;
  const [version, position] = [integerAt(row, 0), integerAt(row, 1)];
  return position > upTo ? null : { subject, version, position };
}

/** The versions to redeliver from a start: up to the range's end, or up to the present where the range reaches it. */
export async function rewindFrom(
  deps: WalkDeps,
  { subject, version }: Pick<RewindStart, "subject" | "version">,
  { upTo, present }: { readonly upTo: number; readonly present: number },
  ahead: boolean,
): Promise<LaneRewind> {
  if (upTo >= present) return { next: version, stop: null, ahead };
  const extent = await extentOf(deps, subject);
  const stop =
    extent === null ? version : await versionAt(deps.database, deps.log, extent, { position: upTo });
  return { next: version, stop, ahead };
}

/** First version of a subject after a position, where it continues after a redelivery. */
export async function versionAfter(deps: WalkDeps, subject: number, position: number): Promise<number> {
  const extent = await extentOf(deps, subject);
  return extent === null ? 1 : (await versionAt(deps.database, deps.log, extent, { position })) + 1;
}
