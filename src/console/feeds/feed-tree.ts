import type { FeedInfo } from "../../client/feed-types.ts";
import { EVENTS_TOPIC } from "../live/topics.ts";
import { versionPath } from "./feed-groups.ts";

/** A version of a feed, and those that are projected from it. */
export interface FeedTree {
  readonly feed: FeedInfo;
  readonly children: readonly FeedTree[];
}

/** The feeds by the log that they are projected from. */
export interface FeedTrees {
  readonly ofEvents: readonly FeedTree[];
  /** Feeds whose source the sender may not see. */
  readonly ofOthers: readonly FeedTree[];
}

/** Versions that are projected from a version. */
export function projectedFrom(feed: FeedInfo, feeds: readonly FeedInfo[]): readonly FeedInfo[] {
  const path = versionPath(feed);
  return feeds.filter(({ source }) => source === path);
}

/** Arranges versions below the log that each is projected from, at most once each. */
export function feedTrees(feeds: readonly FeedInfo[]): FeedTrees {
  const treeOf = (feed: FeedInfo): FeedTree => ({ feed, children: projectedFrom(feed, feeds).map(treeOf) });
  const paths = new Set(feeds.map(versionPath));
  const isBelowAnother = ({ source }: FeedInfo): boolean =>
    source !== null && paths.has(source as ReturnType<typeof versionPath>);
  const roots = feeds.filter((feed) => !isBelowAnother(feed));
  return {
    ofEvents: roots.filter(({ source }) => source === EVENTS_TOPIC).map(treeOf),
    ofOthers: roots.filter(({ source }) => source !== EVENTS_TOPIC).map(treeOf),
  };
}
