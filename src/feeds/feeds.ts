import { type Actor, authorship, NOBODY } from "../administration/actor.ts";
import { entry, recordEntries } from "../administration/entry.ts";
import type { Clock } from "../core/clock.ts";
import type { Limits } from "../core/limits.ts";
import { type Database, textAt } from "../storage/database.ts";
import type { HeadWatch } from "../log/follow/head-watch.ts";
import type { LogState } from "../log/log-state.ts";
import { type LogReader, type LogReaderDeps, openLogReader } from "../log/read/reader.ts";
import { writeUnplanned } from "../storage/batch-writer.ts";
import { servedSchemas } from "./contract/contract.ts";
import type { FeedDeps } from "./project/commit.ts";
import { hydrate } from "./project/hydrate.ts";
import { readFeed, wasRetired } from "./record.ts";
import type { RegisteredFeed } from "./lifecycle/register.ts";
import { rebuildFeed, type RetireDeps, retireFeed } from "./lifecycle/retire.ts";
import { feedStates, type FeedState } from "./lifecycle/status.ts";

/** A version of a feed that is served here. */
export interface OpenFeed extends RegisteredFeed {
  readonly reader: LogReader;
  /** Reads the latest writes; the same reader where no replica is read. */
  readonly primaryReader: LogReader;
}

/** `emptied`: a draft that is about to be built again still has events of before. */
export type Readability = "readable" | "emptied" | "retired";

/** The feeds that this process serves: their readers, states and lifecycle. */
export interface Feeds {
  /** In order of name and version. */
  readonly all: readonly OpenFeed[];
  find(name: string, version: number): OpenFeed | null;
  /** Null when it was retired. */
  state(feed: RegisteredFeed): Promise<FeedState | null>;
  /** Reads the states of feeds together. Those that were retired are missing. */
  states(feeds: readonly RegisteredFeed[]): ReturnType<typeof feedStates>;
  /** JSON Schemas of the events of each feed, by type: of the longest contract under which it published. */
  schemas(feeds: readonly RegisteredFeed[]): ReturnType<typeof servedSchemas>;
  /** Whether it exists: it is not retired, or about to be. */
  isServed(feed: RegisteredFeed): Promise<boolean>;
  /** Whether it can be read, as far as a replica shows. */
  readability(feed: RegisteredFeed): Promise<Readability>;
  /** Whether a version that is not served here was retired: also one of an earlier release, or before this process began. */
  wasRetired(name: string, version: number): Promise<boolean>;
  /**
   * Path of a feed that has not traced the origins of all its events yet, so that an erasure would miss some; null:
   * there is none.
   */
  untraced(): Promise<string | null>;
  /** Makes a subject complete as of now; see `hydrate.ts`. */
  hydrate(feed: RegisteredFeed, subject: string): Promise<void>;
  /** Lets a halted feed try again. */
  resume(feed: RegisteredFeed, actor?: Actor): Promise<void>;
  /** Removes a version permanently: readers lose it at once, and it is deleted in the background. See `retireFeed`. */
  retire(feed: RegisteredFeed, options: { readonly force: boolean }, actor?: Actor): Promise<void>;
  /**
   * Empties a draft, and has it built again, with all that are projected from it; positions continue. Throws
   * `feed-published` for others, and `feed-in-use` if one that is projected from it is no draft.
   */
  rebuild(feed: RegisteredFeed, actor?: Actor): Promise<void>;
  /** Wakes followers of a feed at once. */
  notify(path: string, log: LogState): void;
  /** Ends all followers. */
  close(): void;
}

export interface FeedsDeps
  extends Omit<FeedDeps, "onPublished">, Pick<RetireDeps, "flushActivity" | "onPaused"> {
  /** How feeds are read from a replica. Default: from the database. */
  readonly reading?: LogReaderDeps | undefined;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly pollIntervalMs: number;
  /** Looks up the heads of several logs together. Default: each feed's own. */
  readonly heads?: HeadWatch;
  /** Called when a feed is to be emptied; see `clearJob`. */
  readonly onClear: () => void;
}

/** Arguments: log id. */
export const RESUME_FEED = `
update feeds set status = 'building', epoch = epoch + 1 where log = ?1 and status = 'halted'`;

/** Arguments: JSON array of log ids. */
export const FIND_UNTRACED = `
select log.name from json_each(?1) as tracked
cross join feeds as feed on feed.log = tracked.value
cross join logs as log on log.id = feed.log
where feed.traced is not null and feed.status <> 'retired' limit 1`;

export function openFeeds(deps: FeedsDeps, registered: readonly RegisteredFeed[]): Feeds {
  const open = (feed: RegisteredFeed): OpenFeed => {
    const primaryReader = openLogReader(deps, feed.log);
    const { reading } = deps;
    return {
      ...feed,
      reader: reading === undefined ? primaryReader : openLogReader(reading, feed.log),
      primaryReader,
    };
  };
  const all = registered
    .map(open)
    .toSorted((a, b) =>
      a.feed.name < b.feed.name ? -1 : a.feed.name > b.feed.name ? 1 : a.feed.version - b.feed.version,
    );
  const readersOf = new Map(
    all.map(({ log, reader, primaryReader }) => [log.name, new Set([reader, primaryReader])]),
  );
  const notifyReaders = (path: string, log: LogState) =>
    readersOf.get(path)?.forEach((reader) => reader.notify(log));
  const readabilityIn = async (database: Database, { log }: RegisteredFeed): Promise<Readability> => {
    const status = (await readFeed(database, log))?.status ?? "retiring";
    return status === "retiring" ? "retired" : status === "rebuilding" ? "emptied" : "readable";
  };
  return {
    all,
    find: (name, version) => all.find(({ feed }) => feed.name === name && feed.version === version) ?? null,
    state: async (feed) => (await feedStates(deps, [feed])).get(feed) ?? null,
    states: (feeds) => feedStates(deps, feeds),
    schemas: (feeds) => servedSchemas(deps.database, feeds),
    isServed: async (feed) => (await readabilityIn(deps.database, feed)) !== "retired",
    async readability(feed) {
      const { reading } = deps;
      const found = reading === undefined ? "retired" : await readabilityIn(reading.database, feed);
      // A replica that lacks the feed may receive it later.
      return found === "retired" ? readabilityIn(deps.database, feed) : found;
    },
    wasRetired: (name, version) => wasRetired(deps.database, name, version),
    async untraced() {
      const tracked = all.flatMap((feed) => (feed.tracked ? [feed.log.id] : []));
      if (tracked.length === 0) return null;
      const [row] = await deps.database.read({ sql: FIND_UNTRACED, args: [JSON.stringify(tracked)] });
      return row === undefined ? null : textAt(row, 0);
    },
    hydrate: (feed, subject) => hydrate({ ...deps, onPublished: notifyReaders }, feed, subject),
    async resume({ log }, actor = NOBODY) {
      const resumed = entry(log.name, "kilde.feed.resumed", authorship(actor));
      const now = new Date(deps.clock.now()).toISOString();
      await writeUnplanned(deps.writer, [
        { sql: RESUME_FEED, args: [log.id] },
        ...recordEntries([resumed], now, "changed"),
      ]);
    },
    async retire(feed, options, actor = NOBODY) {
      await retireFeed(deps, feed, all, { ...options, ...actor });
      // Followers look for the log's identity, and end.
      readersOf.get(feed.log.name)?.forEach((reader) => reader.notify("truncated"));
      deps.onClear();
    },
    async rebuild(feed, actor = NOBODY) {
      for (const { log } of await rebuildFeed(deps, feed, all, actor))
        readersOf.get(log.name)?.forEach((reader) => reader.notify("truncated"));
      deps.onClear();
    },
    notify: notifyReaders,
    close() {
      for (const readers of readersOf.values()) readers.forEach((reader) => reader.close());
    },
  };
}
