import type { Limits } from "../core/limits.ts";
import type { AnyFeedDefinition } from "../feed/define.ts";
import type { RegisteredFeed } from "../feed/register.ts";
import type { Database } from "../log/database.ts";
import { systemClock } from "./system-clock.ts";

export interface ConfiguredFeeds {
  readonly registered: readonly RegisteredFeed[];
  /** Paths of those that were retired, and need not be configured any more. */
  readonly retired: readonly string[];
}

/**
 * Checks the feeds of the configuration and gives each its log. Throws a `FeedDefinitionsError` or a
 * `BrokenPromiseError`.
 */
export async function configuredFeeds(
  database: Database,
  definitions: readonly AnyFeedDefinition[],
  limits: Limits,
): Promise<ConfiguredFeeds> {
  if (definitions.length === 0) return { registered: [], retired: [] };
  // Loaded only here: who has no feeds need not wait for it at each start.
  const [{ serverFeeds }, { registerFeeds }] = await Promise.all([
    import("./compile.ts"),
    import("../feed/register.ts"),
  ]);
  const defined = serverFeeds(definitions, limits);
  const registered = await registerFeeds(database, systemClock, defined);
  const paths = new Set(registered.map(({ feed }) => feed.path));
  return { registered, retired: defined.flatMap(({ path }) => (paths.has(path) ? [] : [path])) };
}
