import type { Clock } from "../../core/clock.ts";
import { type Database, textAt } from "../../storage/database.ts";
import { projectingUnder } from "../contract/contract.ts";
import { readSourceState } from "../project/source-state.ts";
import { type ProjectionFailure, type FeedStatus, readFeed } from "../record.ts";
import type { RegisteredFeed } from "./register.ts";

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

/** Arguments: key, and that of the log's end. */
export const RECORDED_FROM = "select recorded from events where key >= ?1 and key <= ?2 order by key limit 1";

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

/** The present state of a feed, from the database; null when it was retired. */
export async function feedState(
  deps: { readonly database: Database; readonly clock: Clock },
  feed: RegisteredFeed,
): Promise<FeedState | null> {
  const { database, clock } = deps;
  const { log, source, upstream, tracked } = feed;
  const record = await readFeed(database, log);
  if (record === null) return null;
  const { status, head, cursor, rate } = record;
  const failure = record.failure === null ? null : shownFailure(record.failure);
  const { head: sourceHead, erasing: isErasing } = await readSourceState(database, feed, record);
  const events = Math.max(0, sourceHead - cursor);
  const [first] =
    events === 0
      ? []
      : await database.read({
          sql: RECORDED_FROM,
          args: [source.base + cursor + 1, source.base + sourceHead],
        });
  const seconds = first === undefined ? 0 : Math.max(0, clock.now() - Date.parse(textAt(first, 0))) / 1_000;
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
  const before = upstream === null ? null : ((await feedState(deps, upstream))?.lag ?? null);
  const lag = {
    events: events + (before?.events ?? 0),
    seconds: Math.max(seconds, before?.seconds ?? 0),
  };
  const projecting = await projectingUnder(database, feed, record);
  const isOlder = projecting?.standing === "older";
  const release = projecting === null ? "superseded" : isOlder ? "older" : "current";
  return { status, head, cursor, sourceHead, lag, progress, failure, release, erasing, tracing };
}
