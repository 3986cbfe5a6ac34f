import { compileFeed, feedPath } from "./compile.ts";
import type { AnyFeedDefinition } from "./define.ts";
import { FeedDefinitionError } from "./definition-faults.ts";
import type { Feed } from "../feed.ts";

/** Sorts feeds so that each comes after its source; feeds on a cycle are returned separately. */
function inOrder(feeds: readonly Feed[]): {
  readonly sorted: readonly Feed[];
  readonly circular: readonly Feed[];
} {
  const sorted: Feed[] = [];
  let left = feeds;
  for (;;) {
    const waiting = left.filter(({ source }) => left.some(({ path }) => path === source.log));
    sorted.push(...left.filter((feed) => !waiting.includes(feed)));
    if (waiting.length === left.length || waiting.length === 0) return { sorted, circular: waiting };
    left = waiting;
  }
}

/** Feeds that cannot be served together: every fault, each with the feed it is of. */
export class FeedDefinitionsError extends Error {
  override readonly name = "FeedDefinitionsError";
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(`The feeds are not valid:${faults.map((fault) => `\n  ${fault}`).join("")}`);
    this.faults = faults;
  }
}

/**
 * Compiles all feeds of a server, each after the one it is projected from. Throws a {@link FeedDefinitionsError}
 * with the faults of all of them: of each alone, of names that are taken, of sources that do not exist.
 */
export function compileFeeds(
  definitions: readonly AnyFeedDefinition[],
  compile: (definition: AnyFeedDefinition) => Feed = (definition) => compileFeed(definition),
): readonly Feed[] {
  const faults: string[] = [];
  const feeds = definitions.flatMap((definition) => {
    try {
      return [compile(definition)];
    } catch (error) {
      if (!(error instanceof FeedDefinitionError)) throw error;
      faults.push(...error.faults.map((fault) => `${error.feed}: ${fault}`));
      return [];
    }
  });
  const paths = new Set(feeds.map(({ path }) => path));
  for (const [index, feed] of feeds.entries()) {
    const label = `${feed.name}/v${feed.version}`;
    if (feeds.findIndex(({ path }) => path === feed.path) < index) faults.push(`${label}: is defined twice`);
    if (feed.source.log !== "/events" && !paths.has(feed.source.log) && faults.length === 0) {
      faults.push(`${label}: source: there is no feed ${feed.source.log}`);
    }
    const { name, successor } = feed;
    if (successor !== null && !paths.has(feedPath(name, successor)) && faults.length === 0) {
      faults.push(`${label}: successor: there is no ${feedPath(name, successor)}`);
    }
  }
  const { sorted, circular } = inOrder(feeds);
  if (circular.length > 0 && faults.length === 0) {
    const names = circular.map(({ path }) => path).join(", ");
    faults.push(`source: these are projected from each other, and from no event: ${names}`);
  }
  if (faults.length > 0) throw new FeedDefinitionsError(faults);
  return sorted;
}
