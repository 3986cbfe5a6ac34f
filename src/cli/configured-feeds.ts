import { ConfigError } from "../config/config-error.ts";
import { loadSettings } from "../config/load.ts";
import { compileFeed } from "../feeds/define/compile.ts";
import { compileFeeds, FeedDefinitionsError } from "../feeds/define/compile-all.ts";
import type { Feed } from "../feeds/feed.ts";
import type { CliContext } from "./context.ts";
import { CliError, EXIT } from "./exit.ts";

function listedFeeds(feeds: readonly Feed[]): string {
  return feeds.map(({ name, version }) => `${name}/v${version}`).join(", ");
}

/** Loads the feeds of `kilde.config.ts`, or of the given file. */
async function configuredFeeds(context: CliContext, config: string | undefined): Promise<readonly Feed[]> {
  const { feeds, limits } = await loadSettings({ ...context, flags: config === undefined ? {} : { config } });
  try {
    return compileFeeds(feeds, (definition) => compileFeed(definition, { limits }));
  } catch (error) {
    if (!(error instanceof FeedDefinitionsError)) throw error;
    throw new ConfigError(
      error.faults.map((fault) => `feeds: ${fault}`),
      { cause: error },
    );
  }
}

/** A feed of the configuration, preceded by the feeds that it is projected from. Default version: the last. */
export async function feedWithSources(
  context: CliContext,
  { name, version, config }: { name: string; version: number | undefined; config: string | undefined },
): Promise<readonly Feed[]> {
  const feeds = await configuredFeeds(context, config);
  const wanted = feeds
    .filter((feed) => feed.name === name && (version === undefined || feed.version === version))
    .toSorted((a, b) => b.version - a.version)[0];
  if (wanted === undefined) {
    const asked = version === undefined ? name : `${name}/v${version}`;
    const known = feeds.length === 0 ? "It names none" : `It has ${listedFeeds(feeds)}`;
    throw new CliError(EXIT.usage, `The configuration has no feed ${asked}`, `${known}.`);
  }
  const chain = [wanted];
  for (let feed: Feed | undefined = wanted; feed !== undefined;) {
    const { log }: Feed["source"] = feed.source;
    feed = feeds.find(({ path }) => path === log);
    if (feed !== undefined) chain.unshift(feed);
  }
  return chain;
}
