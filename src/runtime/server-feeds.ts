import type { Limits } from "../core/limits.ts";
import { compileFeed } from "../feeds/define/compile.ts";
import { compileFeeds } from "../feeds/define/compile-all.ts";
import type { AnyFeedDefinition } from "../feeds/define/define.ts";
import type { Feed } from "../feeds/feed.ts";

/** Events for which each feed's handlers are watched after a start. */
const WATCHED_EVENTS = 2_000;

/**
 * A feed as a server projects it. Its handlers are watched at first, so that one which reads the clock or changes
 * what it is given shows after a start; watching all of a long build would nearly halve its speed. What is projected
 * does not depend on it.
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

/** The feeds of a server, each after the one it is projected from. Throws a `FeedDefinitionsError`. */
export function serverFeeds(definitions: readonly AnyFeedDefinition[], limits: Limits): readonly Feed[] {
  return compileFeeds(definitions, (definition) => compileForServer(definition, limits));
}
