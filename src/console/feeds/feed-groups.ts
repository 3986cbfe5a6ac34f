import type { FeedInfo } from "../../client/feed-types.ts";
import type { FeedVersion } from "../../client/types.ts";

/** The versions of one feed, the oldest first. */
export interface FeedGroup {
  readonly name: string;
  readonly versions: readonly FeedInfo[];
}

/** Groups versions by feed, in order of name. */
export function groupFeeds(feeds: readonly FeedInfo[]): readonly FeedGroup[] {
  const groups = new Map<string, FeedInfo[]>();
  for (const feed of feeds) groups.set(feed.feed, [...(groups.get(feed.feed) ?? []), feed]);
  return [...groups]
    .map(([name, versions]) => ({
      name,
      versions: versions.toSorted((one, other) => one.version - other.version),
    }))
    .toSorted((one, other) => (one.name < other.name ? -1 : 1));
}

/** The name of a version, as clients and the command line take it: `declarations/v2`. */
export function versionName({ feed, version }: Pick<FeedInfo, "feed" | "version">): FeedVersion {
  return `${feed}/v${version}`;
}

/** The path of a version's log. */
export function versionPath(feed: Pick<FeedInfo, "feed" | "version">): `/feeds/${string}` {
  return `/feeds/${versionName(feed)}`;
}
