import { type Database, integerAt, type Statement, textAt } from "../../storage/database.ts";
import type { LogAddress } from "../../log/keys.ts";

/** A subject of a stateful feed that is erased from some version on, and published again; see `erasing.ts`. */
export interface Revision {
  readonly subjectId: number;
  readonly subject: string;
  /** Place of the first contribution that was erased; see `SourceRow`. */
  readonly since: number;
  /** Versions after it are erased. */
  readonly low: number;
  /** Version up to which they are. */
  readonly wiped: number;
  /** Place up to which contributions are folded again; null: versions are still to be erased. */
  readonly folded: number | null;
  readonly origin: number;
  readonly recorded: string;
}

/** Arguments: log id, count. First those that still have events to erase: folding may fail. */
export const NEXT_REVISIONS = `
select revision.subject, subject.name, revision.since, revision.low, revision.wiped, revision.folded, revision.origin,
  revision.recorded
from feed_revisions as revision cross join subjects as subject on subject.id = revision.subject
where revision.log = ?1 order by revision.folded is not null, revision.subject limit ?2`;

/** The revisions of a feed to continue, in order. */
export async function nextRevisions(database: Database, log: LogAddress, limit: number): Promise<Revision[]> {
  const rows = await database.read({ sql: NEXT_REVISIONS, args: [log.id, limit] });
  return rows.map((row) => ({
    subjectId: integerAt(row, 0),
    subject: textAt(row, 1),
    since: integerAt(row, 2),
    low: integerAt(row, 3),
    wiped: integerAt(row, 4),
    folded: row[5] === null || row[5] === undefined ? null : integerAt(row, 5),
    origin: integerAt(row, 6),
    recorded: textAt(row, 7),
  }));
}

/**
 * Begins a revision, or begins it again from the earlier of two contributions.
 * Arguments: log id, origin, recorded, JSON `[[subject id, since, low], …]`.
 */
const BEGIN_REVISIONS = `
insert into feed_revisions (subject, log, since, low, wiped, folded, origin, recorded)
select value ->> 0, ?1, value ->> 1, value ->> 2, value ->> 2, null, ?2, ?3 from json_each(?4) where true
on conflict (subject) do update set since = min(since, excluded.since), low = min(low, excluded.low),
  wiped = min(low, excluded.low), folded = null, origin = excluded.origin, recorded = excluded.recorded`;

export interface BegunRevision {
  readonly subjectId: number;
  readonly since: number;
  readonly low: number;
}

export function beginRevisions(
  log: LogAddress,
  { origin, recorded }: { readonly origin: number; readonly recorded: string },
  begun: readonly BegunRevision[],
): Statement {
  const rows = begun.map(({ subjectId, since, low }) => [subjectId, since, low]);
  return { sql: BEGIN_REVISIONS, args: [log.id, origin, recorded, JSON.stringify(rows)] };
}

/** The progress of a revision; see {@link Revision}. */
export type RevisionProgress = readonly [subjectId: number, wiped: number, folded: number | null];

/** Arguments: JSON of `RevisionProgress`. */
const KEEP_PROGRESS = `
update feed_revisions set wiped = entry.value ->> 1, folded = entry.value ->> 2
from json_each(?1) as entry where feed_revisions.subject = entry.value ->> 0`;

/** Part of a batch: stores the progress of revisions. */
export function revisionsProgress(progress: readonly RevisionProgress[]): Statement {
  return { sql: KEEP_PROGRESS, args: [JSON.stringify(progress)] };
}

/** Part of a batch: deletes finished revisions. */
export function endRevisions(subjectIds: readonly number[]): Statement {
  const sql = "delete from feed_revisions where subject in (select value from json_each(?1))";
  return { sql, args: [JSON.stringify(subjectIds)] };
}
