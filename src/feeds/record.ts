import { type Database, integerAt, type Row, textAt } from "../storage/database.ts";
import type { LogAddress } from "../log/keys.ts";

/** A feed that is being emptied is `rebuilding`, if it is then built again, or `retiring`. */
export type FeedStatus = "building" | "live" | "halted" | "rebuilding" | "retiring";

/** The failure at which a feed is halted. */
export interface ProjectionFailure {
  /** Position in the source of the event that cannot be projected. */
  readonly position: number;
  readonly subject: string;
  readonly message: string;
  readonly issues: readonly { readonly pointer: string; readonly detail: string }[];
  /** Frames of the stack of the error that a handler threw; absent: no handler threw. */
  readonly stack?: readonly string[];
  /** It was projected before, and cannot be projected again after an erasure. */
  readonly folding?: boolean;
  /** Since when, RFC 3339: the first time it failed at this event. */
  readonly since: string;
}

/** The progress of a feed, as the database stores it. */
export interface FeedRecord {
  readonly status: FeedStatus;
  /** Position in the source up to which all of its events are projected. */
  readonly cursor: number;
  /** Of a feed that merges: see `merging.ts`. */
  readonly merged: number;
  readonly epoch: number;
  /** Hydrations so far: see `write.ts`. */
  readonly hydrations: number;
  /** Revision of the contract under which something was published last; see `published-contract.ts`. */
  readonly publishedRevision: number;
  /** Identity of the feed's log. */
  readonly identity: string;
  readonly head: number;
  /** Head of the source when the build began, and when that was. */
  readonly target: number;
  readonly started: string;
  /** Source events a second, as last measured. */
  readonly rate: number;
  readonly failure: ProjectionFailure | null;
  /** Id of the source's last erased range that is applied to the published events. */
  readonly erased: number;
  /** Source position up to which the origins of earlier events are known; null: all are known. */
  readonly traced: number | null;
}

/** How far a feed is projected. */
type Progress = Pick<FeedRecord, "cursor" | "merged">;

/** The basis of a plan, beside its source events; see `write.ts`. */
export function basisOf({
  epoch,
  hydrations,
  publishedRevision,
  cursor,
  merged,
}: FeedRecord): Pick<FeedRecord, "epoch" | "hydrations" | "publishedRevision"> & { readonly from: Progress } {
  return { epoch, hydrations, publishedRevision, from: { cursor, merged } };
}

/** SQL: the columns of a record, of the rows `feed` and `log`. */
export const FEED_COLUMNS = `feed.status, feed.cursor, feed.epoch, log.head, feed.target, feed.started, feed.rate, feed.failure,
  feed.erased, feed.traced, feed.hydrations, log.identity, feed.promised, feed.merged`;

/** Arguments: log id. */
export const SELECT_FEED = `
select ${FEED_COLUMNS} from feeds as feed cross join logs as log on log.id = feed.log where feed.log = ?1`;

function failureOf(row: Row): ProjectionFailure | null {
  const text = row[7];
  return typeof text === "string" ? (JSON.parse(text) as ProjectionFailure) : null;
}

/** Arguments: name, version. */
const FIND_RETIRED = "select 1 from feeds where name = ?1 and version = ?2 and status = 'retired'";

/** Whether a version was retired, and deleted. */
export async function wasRetired(database: Database, name: string, version: number): Promise<boolean> {
  return (await database.read({ sql: FIND_RETIRED, args: [name, version] })).length > 0;
}

/** The record of a feed; null when it was retired. */
export async function readFeed(database: Database, log: LogAddress): Promise<FeedRecord | null> {
  const [row] = await database.read({ sql: SELECT_FEED, args: [log.id] });
  return recordOf(row);
}

/** The record in a row that begins with {@link FEED_COLUMNS}; null when the feed was retired. */
export function recordOf(row: Row | undefined): FeedRecord | null {
  // The row of a retired feed only reserves its path.
  if (row === undefined || row[0] === "retired") return null;
  return {
    status: textAt(row, 0) as FeedStatus,
    cursor: integerAt(row, 1),
    epoch: integerAt(row, 2),
    head: integerAt(row, 3),
    target: integerAt(row, 4),
    started: textAt(row, 5),
    rate: integerAt(row, 6),
    failure: failureOf(row),
    erased: integerAt(row, 8),
    traced: row[9] === null || row[9] === undefined ? null : integerAt(row, 9),
    hydrations: integerAt(row, 10),
    identity: textAt(row, 11),
    publishedRevision: integerAt(row, 12),
    merged: integerAt(row, 13),
  };
}
