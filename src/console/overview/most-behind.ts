import type { FeedInfo } from "../../client/feed-types.ts";

/** Feeds that the overview lists. */
const SHOWN = 5;

/** Returns the feeds that are behind their source, those with the oldest missing event first. */
export function mostBehind(feeds: readonly FeedInfo[]): readonly FeedInfo[] {
  return feeds
    .filter(({ lag, status }) => lag.events > 0 && status !== "retiring")
    .toSorted(({ lag: one }, { lag: other }) => other.seconds - one.seconds || other.events - one.events)
    .slice(0, SHOWN);
}
