import { groupBy } from "../../core/group-by.ts";
import { ERASED_TYPE } from "../../core/event.ts";
import { type Database, integerAt, textAt } from "../../storage/database.ts";
import { createBatchSize, readBatch } from "../../storage/batch-size.ts";
import { createFeedCommits, type FeedDeps, NOTHING_PUBLISHED } from "../project/commit.ts";
import { originStatements, TRACE_ORIGINS } from "../project/origins.ts";
import { assign, type OriginRow } from "../project/plan.ts";
import { basisOf, type FeedRecord } from "../record.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";
import type { Lease } from "../../storage/lease.ts";
import { sourceBatch, sourceRange } from "../project/source.ts";
import type { SourceRow } from "../project/source-rows.ts";
import { readFeedSubjects } from "../subjects.ts";

/*
 * Traces the origins of events that were published before origins were recorded: `projectedfrom` has the position in the
 * event log. The source is read once more, a window at a time, beside the projecting of new events. Erasures wait until
 * it is done.
 */

/** Source events of one write. */
const TRACE_EVENTS = 500;

/** Source positions that one query looks through. */
const WINDOW = 20_000;

/** Events of a subject that one query searches for the events published for a source event. */
const LOOK_AHEAD = 1_000;

/** Arguments: log id. A subject may have been projected beyond the cursor. */
export const PROJECTED_UP_TO = `
select coalesce(max(kept.projected), 0) from subjects as subject
cross join feed_subjects as kept on kept.subject = subject.id where subject.log = ?1`;

/** Arguments: subject id. The version after the last event whose origin is known before a position: ?2. */
export const TRACED_VERSION = `
select coalesce((select version + events from feed_origins where subject = ?1 and position < ?2
  order by position desc limit 1), (select first_version - 1 from subjects where id = ?1))`;

/** Arguments: subject id, version, count. */
export const SELECT_PROJECTED_FROM = `
select version, extensions ->> '$.projectedfrom' from events
where subject = ?1 and version > ?2 and type not glob 'kilde.*' order by version limit ?3`;

interface PublishedEvent {
  readonly version: number;
  readonly origin: number;
}

async function publishedAfter(
  database: Database,
  subjectId: number,
  version: number,
): Promise<PublishedEvent[]> {
  const rows = await database.read({ sql: SELECT_PROJECTED_FROM, args: [subjectId, version, LOOK_AHEAD] });
  return rows.map((row) => ({ version: integerAt(row, 0), origin: Number(textAt(row, 1)) }));
}

/** Which versions of a subject some source events, in order, were published as. */
async function traceSubject(
  database: Database,
  subjectId: number,
  rows: readonly SourceRow[],
  ordered: boolean,
): Promise<OriginRow[]> {
  const [known] = await database.read({ sql: TRACED_VERSION, args: [subjectId, rows[0]?.position ?? 0] });
  let version = integerAt(known, 0);
  let ahead = await publishedAfter(database, subjectId, version);
  const find = async (origin: number): Promise<number> => {
    for (let seen = ahead; ;) {
      const index = seen.findIndex((event) => event.origin === origin);
      if (index >= 0) {
        ahead = seen.slice(index);
        return index;
      }
      const last = seen.at(-1);
      // Within a subject of a feed of the event log, origins grow.
      if (last === undefined || seen.length < LOOK_AHEAD || (ordered && last.origin > origin)) return -1;
      seen = await publishedAfter(database, subjectId, last.version);
    }
  };
  const traced: OriginRow[] = [];
  for (const { position, event } of rows) {
    let count = 0;
    if ((await find(event.position)) >= 0) {
      version = (ahead[0]?.version ?? 1) - 1;
      for (;;) {
        if (ahead.length === 0) ahead = await publishedAfter(database, subjectId, version + count);
        if (ahead[0]?.origin !== event.position || ahead[0].version !== version + count + 1) break;
        ahead = ahead.slice(1);
        count += 1;
      }
    }
    traced.push([position, subjectId, null, version, count, null]);
    version += count;
  }
  return traced;
}

async function traceRows(
  database: Database,
  { feed, log, source }: RegisteredFeed,
  cursor: number,
  rows: readonly SourceRow[],
): Promise<OriginRow[]> {
  const { assigned } = assign(feed, rows);
  const bySubject = groupBy(assigned, ({ subject }) => subject);
  const subjects = await readFeedSubjects(database, log, [...bySubject.keys()]);
  const origins: OriginRow[] = [];
  for (const [name, each] of bySubject) {
    const subject = subjects.get(name);
    if (subject === undefined || subject.id === null) continue;
    const reached = Math.max(cursor, subject.projected);
    const projected = each
      .map(({ row }) => row)
      .filter(({ position, event }) => position <= reached && event.type !== ERASED_TYPE);
    if (projected.length === 0) continue;
    const traced = await traceSubject(database, subject.id, projected, source.id === 0);
    origins.push(...traced.filter(([, , , , events]) => feed.stateful || events > 0));
  }
  return origins;
}

/** How far it has come: null when others wrote to the feed meanwhile. */
export type Traced = { readonly done: boolean; readonly writeMs: number } | null;

/** Traces the next source events. */
export async function traceStep(
  deps: FeedDeps,
  registered: RegisteredFeed,
  record: FeedRecord,
  lease: Lease,
): Promise<Traced> {
  const { database } = deps;
  const { feed, log, source } = registered;
  const after = record.traced ?? 0;
  const [reached] = await database.read({ sql: PROJECTED_UP_TO, args: [log.id] });
  const end = Math.max(record.cursor, integerAt(reached, 0));
  const upTo = Math.min(end, after + WINDOW);
  const batch = sourceBatch(database, source, upTo - after, (most) =>
    sourceRange(source, feed.source, { after, upTo, limit: most }),
  );
  const { rows, limit } = await readBatch(createBatchSize(TRACE_EVENTS), batch);
  const traced = rows.length === limit ? (rows.at(-1)?.position ?? upTo) : upTo;
  const done = traced >= end;
  const origins = await traceRows(database, registered, record.cursor, rows);
  const advance = {
    ...basisOf(record),
    lease,
    cursor: null,
    status: null,
    rate: null,
    failure: null,
  };
  const committed = await createFeedCommits(deps, registered).commit(advance, NOTHING_PUBLISHED, {
    erasing: [
      ...originStatements(log, source, origins, TRACE_ORIGINS),
      { sql: "update feeds set traced = ?2 where log = ?1", args: [log.id, done ? null : traced] },
    ],
  });
  return committed === null ? null : { done, writeMs: committed.durationMs };
}
