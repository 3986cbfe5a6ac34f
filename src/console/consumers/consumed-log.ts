import type { FeedInfo } from "../../client/feed-types.ts";
import type { FeedVersion } from "../../client/types.ts";
import { EVENTS_TOPIC, OPERATIONS_TOPIC } from "../live/topics.ts";

/** A log that has consumers. */
export interface ConsumedLog {
  readonly path: string;
  readonly title: string;
  /** As the methods of a client name it; undefined: the event log. */
  readonly feed: FeedVersion | undefined;
}

const FEED_PATH = /^\/feeds\/([^/]+\/v[1-9]\d*)$/;

/** Returns the log at a path; null: the path names none. */
export function logAt(path: string): ConsumedLog | null {
  if (path === EVENTS_TOPIC) return { path, title: "Event log", feed: undefined };
  if (path === OPERATIONS_TOPIC) return { path, title: "Log of administration", feed: OPERATIONS_TOPIC };
  const feed = FEED_PATH.exec(path)?.[1];
  return feed === undefined ? null : { path, title: feed, feed: feed as FeedVersion };
}

/** The logs of a store: the event log, versions of feeds, and the log of administration. */
export function logsOf(feeds: readonly Pick<FeedInfo, "feed" | "version">[]): readonly ConsumedLog[] {
  return [
    EVENTS_TOPIC,
    ...feeds.map(({ feed, version }) => `/feeds/${feed}/v${version}`),
    OPERATIONS_TOPIC,
  ].flatMap((path) => logAt(path) ?? []);
}
