import type { Clock } from "../core/clock.ts";
import type { Limits } from "../core/limits.ts";
import type { HeadWatch } from "../log/head-watch.ts";
import { type LogReader, openLogReader } from "../log/reader.ts";
import { clearAll } from "./clear.ts";
import type { FeedDeps } from "./commit.ts";
import { hydrate } from "./hydrate.ts";
import { readFeed } from "./record.ts";
import type { RegisteredFeed } from "./register.ts";
import { rebuildFeed, retireFeed } from "./retire.ts";
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
  /** Whether it can be read: it is not retired, or about to be. */
  isServed(feed: RegisteredFeed): Promise<boolean>;
  /** Makes a subject complete as of now; see `hydrate.ts`. */
  hydrate(feed: RegisteredFeed, subject: string): Promise<void>;
  /** Lets a halted feed try again. */
  resume(feed: RegisteredFeed): Promise<void>;
  /**
   * Removes a version for good: it is gone for readers at once, and deleted in the background. Throws `feed-in-use`
   * while it is a source of others, or somebody read it since a time (RFC 3339; null: whoever reads it).
   */
  retire(feed: RegisteredFeed, readSince: string | null): Promise<void>;
  /** Empties a draft, and has it built anew; positions go on. Throws `feed-published` for others. */
  rebuild(feed: RegisteredFeed): Promise<void>;
  /** Hastens followers of a feed. */
  learn(path: string, head: number): void;
  /** Ends all followers. */
  close(): Promise<void>;
}

export interface FeedsDeps extends Omit<FeedDeps, "onNews"> {
  readonly clock: Clock;
  readonly limits: Limits;
  readonly pollIntervalMs: number;
  /** Looks up the heads of several logs together. Default: each feed's own. */
  readonly heads?: HeadWatch;
  /**
   * Called when a feed is to be emptied, for whoever does it in a way of its own (`clearAll`). Default: in the
   * background, beginning with what was left before.
   */
  readonly onClear?: () => void;
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
  const closing = new AbortController();
  let clearing: Promise<void> | null = null;
  const clear =
    deps.onClear ??
    (() => {
      clearing = (clearing ?? Promise.resolve()).then(() => clearAll(deps, closing.signal));
    });
  // What was begun before a restart.
  if (deps.onClear === undefined) clear();
  const learn = (path: string, head: number) => byPath.get(path)?.reader.learn({ head });
  return {
    all,
    find: (name, version) => all.find(({ feed }) => feed.name === name && feed.version === version) ?? null,
    state: (feed) => feedState(deps, feed),
    async isServed({ log }) {
      const status = (await readFeed(deps.database, log))?.status;
      return status !== undefined && status !== "retiring";
    },
    hydrate: (feed, subject) => hydrate({ ...deps, onNews: learn }, feed, subject),
    async resume({ log }) {
      await deps.writer.write([{ sql: RESUME_FEED, args: [log.id] }]);
    },
    async retire(feed, readSince) {
      await retireFeed(deps, feed, all, readSince);
      byPath.get(feed.log.name)?.reader.close();
      clear();
    },
    async rebuild(feed) {
      await rebuildFeed(deps, feed);
      byPath.get(feed.log.name)?.reader.learn("truncated");
      clear();
    },
    learn,
    async close() {
      for (const { reader } of all) reader.close();
      closing.abort();
      await clearing;
    },
  };
}
