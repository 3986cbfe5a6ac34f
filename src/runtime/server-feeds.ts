import type { Limits } from "../core/limits.ts";
import { compileFeed } from "../feeds/define/compile.ts";
import { compileFeeds } from "../feeds/define/compile-all.ts";
import type { AnyFeedDefinition } from "../feeds/define/define.ts";
import type { Feed } from "../feeds/feed.ts";

/** Number of events for which each feed's handlers are watched after a start. */
const WATCHED_EVENTS = 2_000;

/**
 * Compiles a feed for a server. Its handlers are watched at first, so that one which reads the clock or changes its
 * input shows after a start; watching a whole long build would nearly halve its speed. Watching does not change the
 * projected events.
 */
function compileForServer(definition: AnyFeedDefinition, limits: Limits): Feed {
  const watched = compileFeed(definition, { limits, strict: true });
  const trusted = compileFeed(definition, { limits, strict: false });
  let left = WATCHED_EVENTS;
  return {
    ...trusted,
    subjectOf: (event) => (left > 0 ? watched : trusted).subjectOf(event),
    project(subject, event, state) {
      if (left <= 0) return trusted.project(subject, event, state);
      left -= 1;
      return watched.project(subject, event, state);
    },
  };
}

/** Compiles the feeds of a server, each after its source. Throws a `FeedDefinitionsError`. */
export function serverFeeds(definitions: readonly AnyFeedDefinition[], limits: Limits): readonly Feed[] {
  return compileFeeds(definitions, (definition) => compileForServer(definition, limits));
}
