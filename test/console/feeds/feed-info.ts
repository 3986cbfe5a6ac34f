import type { FeedInfo } from "../../../src/client/feed-types.ts";

/** A live version of a feed, with changes. */
export function feedInfo(change: Partial<FeedInfo>): FeedInfo {
  return {
    feed: "users",
    version: 1,
    source: "/events",
    description: null,
    draft: false,
    access: "granted",
    types: [],
    status: "live",
    head: 0,
    cursor: 0,
    sourceHead: 0,
    lag: { events: 0, seconds: 0 },
    progress: null,
    failure: null,
    release: "current",
    erasing: false,
    deprecated: null,
    sunset: null,
    successor: null,
    ...change,
  };
}
