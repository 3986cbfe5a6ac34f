import type { Limits } from "../core/limits.ts";
import type { AnyFeedDefinition } from "../feeds/define/define.ts";
import type { RegisteredFeed } from "../feeds/lifecycle/register.ts";
import { storedFeeds } from "../feeds/lifecycle/stored-feeds.ts";
import type { Database } from "../storage/database.ts";
import { systemClock } from "../core/system-clock.ts";

export interface ConfiguredFeeds {
  readonly registered: readonly RegisteredFeed[];
  /** Paths of configured feeds that were retired; the configuration may drop them. */
  readonly retired: readonly string[];
  /** Paths of feeds in the store that the configuration lacks. Erasures do not reach their events. */
  readonly unconfigured: readonly string[];
}

/**
 * Checks the feeds of the configuration and gives each its log. Throws a `FeedDefinitionsError` or a
 * `IncompatibleContractError`.
 */
export async function configuredFeeds(
  database: Database,
  definitions: readonly AnyFeedDefinition[],
  limits: Limits,
): Promise<ConfiguredFeeds> {
  const stored = await storedFeeds(database);
  if (definitions.length === 0) return { registered: [], retired: [], unconfigured: stored };
  // Loaded only here, so that a server without feeds starts faster.
  const [{ serverFeeds }, { registerFeeds }] = await Promise.all([
    import("./server-feeds.ts"),
    import("../feeds/lifecycle/register.ts"),
  ]);
  const defined = serverFeeds(definitions, limits);
  const registered = await registerFeeds(database, systemClock, defined);
  const paths = new Set(registered.map(({ feed }) => feed.path));
  return {
    registered,
    retired: defined.flatMap(({ path }) => (paths.has(path) ? [] : [path])),
    unconfigured: stored.filter((path) => !paths.has(path)),
  };
}
