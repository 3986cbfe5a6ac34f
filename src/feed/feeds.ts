import type { Clock } from "../core/clock.ts";
import type { Limits } from "../core/limits.ts";
import { type LogReader, openLogReader } from "../log/reader.ts";
import type { FeedDeps } from "./commit.ts";
import { hydrate } from "./hydrate.ts";
import type { RegisteredFeed } from "./register.ts";
import { feedState, type FeedState } from "./status.ts";

/** A version of a feed that is served here. */
export interface OpenFeed extends RegisteredFeed {
  readonly reader: LogReader;
}

/** The feeds that this process serves: reading them, and asking how they are. */
export interface Feeds {
  /** In order of name and version. */
  readonly all: readonly OpenFeed[];
  find(name: string, version: number): OpenFeed | null;
  /** Null when it was retired. */
  state(feed: RegisteredFeed): Promise<FeedState | null>;
  /** Makes a subject complete as of now; see `hydrate.ts`. */
  hydrate(feed: RegisteredFeed, subject: string): Promise<void>;
  /** Lets a halted feed try again. */
  resume(feed: RegisteredFeed): Promise<void>;
  /** Hastens followers of a feed. */
  learn(path: string, head: number): void;
  /** Ends all followers. */
  close(): void;
}

export interface FeedsDeps extends Omit<FeedDeps, "onNews"> {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly pollIntervalMs: number;
}

/** Arguments: log id. */
export const RESUME_FEED = `
update feeds set status = 'building', epoch = epoch + 1 where log = ?1 and status = 'halted'`;

export function openFeeds(deps: FeedsDeps, registered: readonly RegisteredFeed[]): Feeds {
  const all = registered
    .map((feed): OpenFeed => ({ ...feed, reader: openLogReader(deps, feed.log) }))
    .toSorted((a, b) =>
      a.feed.name < b.feed.name ? -1 : a.feed.name > b.feed.name ? 1 : a.feed.version - b.feed.version,
    );
  const byPath = new Map(all.map((open) => [open.log.name, open]));
  const learn = (path: string, head: number) => byPath.get(path)?.reader.learn({ head });
  return {
    all,
    find: (name, version) => all.find(({ feed }) => feed.name === name && feed.version === version) ?? null,
    state: (feed) => feedState(deps, feed),
    hydrate: (feed, subject) => hydrate({ ...deps, onNews: learn }, feed, subject),
    async resume({ log }) {
      await deps.writer.write([{ sql: RESUME_FEED, args: [log.id] }]);
    },
    learn,
    close() {
      for (const { reader } of all) reader.close();
    },
  };
}
