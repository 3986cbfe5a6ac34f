import type { Clock } from "../../core/clock.ts";
import { LOG_SPAN } from "../../log/keys.ts";
import { type Database, integerAt, type Row } from "../../storage/database.ts";
import { readOfAll } from "../../storage/read-of-all.ts";
import { projectingUnder } from "../contract/contract.ts";
import { FEED_COLUMNS, type FeedStatus, type ProjectionFailure, recordOf } from "../record.ts";
import type { RegisteredFeed } from "./register.ts";
import { withUpstream } from "./with-upstream.ts";

/** The state of a feed. */
export interface FeedState {
  readonly status: FeedStatus;
  /** Position of the feed's last event. */
  readonly head: number;
  /** Position in the source up to which it is projected, and the source's head. */
  readonly cursor: number;
  readonly sourceHead: number;
  readonly lag: {
    /** Positions of the source that are not yet projected, with those that the source itself lags by. */
    readonly events: number;
    /** Age of the oldest of them; 0 when there is none. */
    readonly seconds: number;
  };
  /** Of the build; null when it is done. */
  readonly progress: {
    readonly done: number;
    readonly total: number;
    readonly eventsPerSecond: number;
    /** Null while it is unknown. */
    readonly secondsLeft: number | null;
  } | null;
  readonly failure: ProjectionFailure | null;
  /**
   * The release of this process against the published contract: `older`, it publishes only what the longer
   * contract of another release allows; `superseded`, it cannot project the feed, and another release has to.
   */
  readonly release: "current" | "older" | "superseded";
  /** Erasures of the source are still to be applied to the feed. */
  readonly erasing: boolean;
  /**
   * In positions of the source, while the feed traces the origins of the events that an older version of Kilde
   * published; null: all is known.
   */
  readonly tracing: { readonly done: number; readonly total: number } | null;
}

interface FeedStatesDeps {
  readonly database: Database;
  readonly clock: Pick<Clock, "now">;
}

/** Arguments: JSON `[[log id of the feed, log id of its source], …]`. */
export const SELECT_FEED_STATES = `
select ${FEED_COLUMNS}, feed.log, coalesce(source.head, 0),
  coalesce((select max(id) from erased_ranges where log = source.id), 0) > feed.erased
    or exists (select 1 from feed_revisions where log = feed.log),
  (select recorded from events where key > source.id * ${LOG_SPAN} + feed.cursor and key <= source.id * ${LOG_SPAN} + source.head
    order by key limit 1)
from json_each(?1) as wanted
cross join feeds as feed on feed.log = wanted.value ->> 0
cross join logs as log on log.id = feed.log
left join logs as source on source.id = wanted.value ->> 1`;

/** Estimated seconds for a number of events at a rate; null while the rate is unknown. */
export function secondsLeft(events: number, rate: number): number | null {
  return rate < 1 ? null : Math.ceil(events / rate);
}

function shownFailure({
  position,
  subject,
  message,
  issues,
  stack = [],
  since,
}: ProjectionFailure): ProjectionFailure {
  return { position, subject, message, issues, stack, since };
}

/** The state of one feed as its row shows it, without the lag of the feeds that it is projected from. */
async function ownState(
  { database, clock }: FeedStatesDeps,
  feed: RegisteredFeed,
  row: Row,
): Promise<FeedState | null> {
  const record = recordOf(row);
  if (record === null) return null;
  const { tracked } = feed;
  const { status, head, cursor, rate } = record;
  const failure = record.failure === null ? null : shownFailure(record.failure);
  const [sourceHead, isErasing, oldest] = [integerAt(row, 15), integerAt(row, 16) === 1, row[17]];
  const events = Math.max(0, sourceHead - cursor);
  const seconds = typeof oldest === "string" ? Math.max(0, clock.now() - Date.parse(oldest)) / 1_000 : 0;
  const progress =
    status === "live"
      ? null
      : {
          done: cursor,
          total: sourceHead,
          eventsPerSecond: Math.round(rate),
          secondsLeft: secondsLeft(events, rate),
        };
  // Other feeds erase when they reach the tombstones, which the lag shows.
  const erasing = tracked && isErasing;
  const tracing = tracked && record.traced !== null ? { done: record.traced, total: cursor } : null;
  const projecting = await projectingUnder(database, feed, record);
  const isOlder = projecting?.standing === "older";
  const release = projecting === null ? "superseded" : isOlder ? "older" : "current";
  const lag = { events, seconds };
  return { status, head, cursor, sourceHead, lag, progress, failure, release, erasing, tracing };
}

/**
 * The present states of feeds, from one query, however many there are: a worker has few calls of its database. Feeds that were
 * retired are missing.
 */
export async function feedStates(
  deps: FeedStatesDeps,
  feeds: readonly RegisteredFeed[],
): Promise<ReadonlyMap<RegisteredFeed, FeedState>> {
  const all = withUpstream(feeds);
  const wanted = all.map(({ log, source }) => [log.id, source.id]);
  const rows = await readOfAll(deps.database, SELECT_FEED_STATES, wanted);
  const rowOf = new Map(rows.map((row) => [integerAt(row, 14), row]));
  const own = new Map<number, FeedState>();
  for (const feed of all) {
    const row = rowOf.get(feed.log.id);
    const state = row === undefined ? null : await ownState(deps, feed, row);
    if (state !== null) own.set(feed.log.id, state);
  }
  const states = new Map<RegisteredFeed, FeedState>();
  for (const feed of feeds) {
    const state = own.get(feed.log.id);
    if (state === undefined) continue;
    let { events, seconds } = state.lag;
    for (let one = feed.upstream; one !== null; one = one.upstream) {
      const before = own.get(one.log.id)?.lag;
      if (before === undefined) break;
      events += before.events;
      seconds = Math.max(seconds, before.seconds);
    }
    states.set(feed, { ...state, lag: { events, seconds } });
  }
  return states;
}
