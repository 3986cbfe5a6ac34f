import type { Clock } from "../../core/clock.ts";
import { type Database, integerAt, type Statement, textAt } from "../../storage/database.ts";
import { readOfAll } from "../../storage/read-of-all.ts";
import { writeTogether } from "../../storage/write-together.ts";
import { EVENT_LOG_ADDRESS, type LogAddress, logAddress } from "../../log/keys.ts";
import { createLog } from "../../log/new-log.ts";
import { FeedDefinitionsError } from "../define/compile-all.ts";
import type { Feed } from "../feed.ts";
import { boundBy } from "../contract/contract.ts";
import { keepDefinitions, wasTracked } from "../contract/definition-record.ts";
import {
  type Contract,
  CONTRACT_COLUMNS,
  publishedContractIn,
  type PublishedContract,
  standingOf,
} from "../contract/published-contract.ts";

/** A feed with its place in the database. */
export interface RegisteredFeed {
  readonly feed: Feed;
  readonly log: LogAddress;
  readonly source: LogAddress;
  /** The feed it is projected from; null: from the event log. */
  readonly upstream: RegisteredFeed | null;
  /**
   * No tombstone in the source shows the events published for an erased stream, so the feed records from which source event each
   * event came: the feed is re-keyed, or one that it is projected from is, or publishes other events than tombstones.
   */
  readonly tracked: boolean;
  /** The feed gathers the events of its source in the order of the event log; see `merging.ts`. */
  readonly merges: boolean;
  /** The contract of this release, as it compares with the published one. */
  readonly contract: Contract;
}

function isTracked(feed: Feed, upstream: RegisteredFeed | null): boolean {
  return feed.rekeyed || (upstream !== null && (upstream.tracked || upstream.feed.replacesErased));
}

/** Statements that create the log of a feed and its record. */
function creation(feed: Feed, clock: Clock): Statement[] {
  const started = new Date(clock.now()).toISOString();
  return [
    createLog(feed.path),
    {
      sql: `insert into feeds (log, name, version, target, started, schemas, erased, traced)
        select id, ?2, ?3, (select head from logs where name = ?4), ?5, '{}',
          (select coalesce(max(id), 0) from erased_ranges), null
        from logs where name = ?1
        on conflict do nothing`,
      args: [feed.path, feed.name, feed.version, feed.source.log, started],
    },
  ];
}

/** The stored part of a feed. */
interface StoredFeed {
  readonly log: LogAddress;
  /** It was retired: its row only reserves its path. */
  readonly retired: boolean;
  readonly published: PublishedContract;
  readonly definition: string | null;
}

const NOT_PUBLISHED: PublishedContract = { text: "{}", revision: 0, generator: null };

/** Arguments: JSON array of paths. */
const SELECT_STORED = `
select ${CONTRACT_COLUMNS}, log.name, log.id, feed.status, feed.definition
from json_each(?1) as wanted
cross join logs as log on log.name = wanted.value
left join feeds as feed on feed.log = log.id`;

/** Reads the stored parts of feeds together, by their paths. Those that have none yet are missing. */
async function readStored(
  database: Database,
  feeds: readonly Feed[],
): Promise<ReadonlyMap<string, StoredFeed>> {
  const paths = feeds.map(({ path }) => path);
  const rows = await readOfAll(database, SELECT_STORED, paths);
  return new Map(
    rows.map((row) => {
      const path = textAt(row, 3);
      const [status, definition] = [row[5], row[6]];
      const isMissing = typeof status !== "string";
      return [
        path,
        {
          log: logAddress(integerAt(row, 4), path),
          retired: isMissing || status === "retired",
          published: isMissing ? NOT_PUBLISHED : publishedContractIn(row),
          definition: typeof definition === "string" ? definition : null,
        },
      ];
    }),
  );
}

/** Throws for a feed whose source was retired, unless it was retired as well. */
function refuseRetiredSources(feeds: readonly Feed[], stored: ReadonlyMap<string, StoredFeed>): void {
  const isRetired = (path: string) => stored.get(path)?.retired === true;
  for (const { path, source } of feeds) {
    if (isRetired(source.log) && !isRetired(path))
      throw new FeedDefinitionsError([`${path}: source: ${source.log} was retired`]);
  }
}

/** Reads the stored parts of feeds, and creates those of new ones. */
async function storedOrCreated(
  database: Database,
  clock: Clock,
  feeds: readonly Feed[],
): Promise<ReadonlyMap<string, StoredFeed>> {
  const stored = await readStored(database, feeds);
  refuseRetiredSources(feeds, stored);
  const created = feeds.filter(({ path }) => !stored.has(path));
  if (created.length === 0) return stored;
  await writeTogether(
    database,
    created.map((feed) => creation(feed, clock)),
  );
  return new Map([...stored, ...(await readStored(database, created))]);
}

/** Compares the contracts of feeds with the published ones; see {@link standingOf}. */
async function comparedContracts(
  database: Database,
  feeds: readonly { readonly feed: Feed; readonly stored: StoredFeed }[],
): Promise<ReadonlyMap<string, Contract>> {
  const compared = feeds.map(({ feed, stored }) => ({
    path: feed.path,
    ...standingOf(feed, stored.log, stored.published),
  }));
  const written = await writeTogether(
    database,
    compared.map(({ statements }) => statements),
  );
  return new Map(compared.map((one, index) => [one.path, one.written(written[index] ?? [])]));
}

/** The feeds with their places, by their paths, before their definitions are compared. */
async function placedFeeds(
  database: Database,
  clock: Clock,
  feeds: readonly Feed[],
): Promise<Map<string, RegisteredFeed>> {
  const all = await storedOrCreated(database, clock, feeds);
  const kept = feeds.flatMap((feed) => {
    const stored = all.get(feed.path);
    if (stored === undefined) throw new Error(`the log ${feed.path} was not made`);
    return stored.retired ? [] : [{ feed, stored }];
  });
  const contracts = await comparedContracts(database, kept);
  const placed = new Map<string, RegisteredFeed>();
  for (const { feed, stored } of kept) {
    const { log, definition } = stored;
    const upstream = placed.get(feed.source.log) ?? null;
    const source = upstream?.log ?? EVENT_LOG_ADDRESS;
    const contract = contracts.get(feed.path);
    if (source.name !== feed.source.log || contract === undefined)
      throw new FeedDefinitionsError([`${feed.path}: source: ${feed.source.log} was retired`]);
    const tracked = isTracked(feed, upstream) || wasTracked(feed, definition);
    const merges = feed.rekeyed && upstream !== null && !upstream.tracked;
    const bound = contract.publishedSchemas === null ? feed : boundBy(feed, contract.publishedSchemas);
    placed.set(feed.path, { feed: bound, log, source, upstream, tracked, merges, contract });
  }
  return placed;
}

/** Compares the contracts of registered feeds with the published ones once more. */
async function recomparedContracts(database: Database, registered: readonly RegisteredFeed[]) {
  const feeds = registered.map(({ feed }) => feed);
  const stored = await readStored(database, feeds);
  return comparedContracts(
    database,
    feeds.flatMap((feed) => {
      const found = stored.get(feed.path);
      return found === undefined ? [] : [{ feed, stored: found }];
    }),
  );
}

/**
 * Registers every feed, and creates the logs of new ones, in a few calls of the database for all of them. Any number of
 * processes may do so at once, before or while others write. A version that was retired is left out, and feeds that are
 * projected from it. Throws a `IncompatibleContractError` for a published feed whose source has changed, or whose contract
 * neither grew out of the published one, nor is one that the published one grew out of. A draft that has changed is built
 * again.
 *
 * @param feeds each after the one it is projected from, as `compileFeeds` gives them
 */
export async function registerFeeds(
  database: Database,
  clock: Clock,
  feeds: readonly Feed[],
): Promise<RegisteredFeed[]> {
  const registered = await placedFeeds(database, clock, feeds);
  // A definition is compared after the contract: when it is the same then, the published contract shows a change that came in between,
  // since each change of a definition renews it.
  for (;;) {
    const changed = await keepDefinitions(database, clock, [...registered.values()]);
    const compared = changed.size === 0 ? null : await recomparedContracts(database, [...changed]);
    for (const one of registered.values()) {
      const contract = compared?.get(one.feed.path) ?? one.contract;
      const upstream = registered.get(one.feed.source.log) ?? null;
      registered.set(one.feed.path, { ...one, upstream, contract });
    }
    if (changed.size === 0) return [...registered.values()];
  }
}
