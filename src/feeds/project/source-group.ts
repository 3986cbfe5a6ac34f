import { groupBy } from "../../core/group-by.ts";
import type { Clock } from "../../core/clock.ts";
import type { Database } from "../../storage/database.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";
import { createGathering, type Gathering } from "./gathering.ts";
import type { UnderWay } from "./projector-state.ts";
import { createSourceReads, type SourceReads } from "./source-reads.ts";

/**
 * The feeds that one thread projects from one source. They rest together, share reads and count their writes, and share
 * nothing else: each has its own lease, cursor and batches, so that a feed that fails, halts or is outdated holds back no other.
 */
export interface SourceGroup {
  readonly reads: SourceReads;
  readonly gathering: Gathering;
  readonly writes: UnderWay;
}

/** The groups of the feeds that one thread projects. */
export interface SourceGroups {
  of(feed: RegisteredFeed): SourceGroup;
  /** Call it when no feed is projected any more. */
  close(): void;
}

/** Groups the feeds of a thread by source. */
export function createSourceGroups(
  database: Database,
  clock: Clock,
  feeds: readonly RegisteredFeed[],
): SourceGroups {
  const groups = new Map<string, SourceGroup>();
  for (const [name, members] of groupBy(feeds, ({ source }) => source.name)) {
    groups.set(name, {
      reads: createSourceReads(database, clock, members),
      gathering: createGathering(clock),
      writes: { count: 0 },
    });
  }
  return {
    of({ feed, source }) {
      const group = groups.get(source.name);
      if (group === undefined) throw new Error(`${feed.path} has no group`);
      return group;
    },
    close() {
      for (const { reads } of groups.values()) reads.close();
    },
  };
}
