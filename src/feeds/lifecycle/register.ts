import type { Clock } from "../../core/clock.ts";
import type { Database } from "../../storage/database.ts";
import { EVENT_LOG_ADDRESS, type LogAddress } from "../../log/keys.ts";
import { createLog } from "../../log/new-log.ts";
import { findLog } from "../../log/read/subjects.ts";
import { FeedDefinitionsError } from "../define/compile-all.ts";
import type { Feed } from "../feed.ts";
import { boundBy } from "../contract/contract.ts";
import { keepDefinitions, wasTracked } from "../contract/definition-record.ts";
import { type Contract, standingOf } from "../contract/published-contract.ts";
import { readFeed } from "../record.ts";

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

async function register(database: Database, clock: Clock, feed: Feed, source: LogAddress) {
  const started = new Date(clock.now()).toISOString();
  await database.write([
    createLog(feed.path),
    {
      sql: `insert into feeds (log, name, version, target, started, schemas, erased, traced)
        select id, ?2, ?3, (select head from logs where id = ?4), ?5, '{}',
          (select coalesce(max(id), 0) from erased_ranges), null
        from logs where name = ?1
        on conflict do nothing`,
      args: [feed.path, feed.name, feed.version, source.id, started],
    },
  ]);
}

/**
 * Registers every feed, and creates the logs of new ones. Any number of processes may do so at once, before or
 * while others write. A version that was retired is left out, and feeds that are projected from it. Throws a
 * `IncompatibleContractError` for a published feed whose source has changed, or whose contract neither grew out of the
 * published one, nor is one that the published one grew out of. A draft that has changed is built again.
 *
 * @param feeds each after the one it is projected from, as `compileFeeds` gives them
 */
export async function registerFeeds(
  database: Database,
  clock: Clock,
  feeds: readonly Feed[],
): Promise<RegisteredFeed[]> {
  const registered = new Map<string, RegisteredFeed>();
  for (const feed of feeds) {
    const upstream = registered.get(feed.source.log) ?? null;
    const source = upstream?.log ?? EVENT_LOG_ADDRESS;
    if (source.name !== feed.source.log)
      throw new FeedDefinitionsError([`${feed.path}: source: ${feed.source.log} was retired`]);
    if ((await findLog(database, feed.path)) === null) await register(database, clock, feed, source);
    const log = await findLog(database, feed.path);
    if (log === null) throw new Error(`the log ${feed.path} was not made`);
    if ((await readFeed(database, log)) === null) continue;
    const contract = await standingOf(database, feed, log);
    const tracked = isTracked(feed, upstream) || (await wasTracked(database, feed, log));
    const merges = feed.rekeyed && upstream !== null && !upstream.tracked;
    const bound = contract.publishedSchemas === null ? feed : boundBy(feed, contract.publishedSchemas);
    registered.set(feed.path, { feed: bound, log, source, upstream, tracked, merges, contract });
  }
  // A definition is compared after the contract: when it is the same then, the published contract shows a change that came in between,
  // since each change of a definition renews it.
  for (;;) {
    const changed = await keepDefinitions(database, clock, [...registered.values()]);
    for (const one of registered.values()) {
      const contract = changed.has(one) ? await standingOf(database, one.feed, one.log) : one.contract;
      const upstream = registered.get(one.feed.source.log) ?? null;
      registered.set(one.feed.path, { ...one, upstream, contract });
    }
    if (changed.size === 0) return [...registered.values()];
  }
}
