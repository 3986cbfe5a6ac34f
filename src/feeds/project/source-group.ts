import { groupBy } from "../../core/group-by.ts";
import type { Clock } from "../../core/clock.ts";
import type { Database } from "../../storage/database.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";
import { createGathering, type Gathering } from "./gathering.ts";
import { createSourceReads, type SourceReads } from "./source-reads.ts";

/**
 * The feeds that one thread projects from one source. They rest together and share reads, and nothing else: each has its own
 * lease, cursor and batches, so that a feed that fails, halts or is outdated holds back no other.
 */
export interface SourceGroup {
  readonly reads: SourceReads;
  readonly gathering: Gathering;
}

/** Groups the feeds of a thread by source, and returns the group of each. */
export function createSourceGroups(
  database: Database,
  clock: Clock,
  feeds: readonly RegisteredFeed[],
): (feed: RegisteredFeed) => SourceGroup {
  const groups = new Map<RegisteredFeed, SourceGroup>();
  for (const members of groupBy(feeds, ({ source }) => source.name).values()) {
    const group = { reads: createSourceReads(database, clock, members), gathering: createGathering(clock) };
    for (const feed of members) groups.set(feed, group);
  }
  return (feed) => {
    const group = groups.get(feed);
    if (group === undefined) throw new Error(`${feed.feed.path} has no group`);
    return group;
  };
}
