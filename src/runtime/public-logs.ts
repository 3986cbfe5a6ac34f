import type { RegisteredFeed } from "../feeds/lifecycle/register.ts";

/** Returns the paths of the logs that everyone may read: those of public feeds. */
export function publicLogsOf(registered: readonly RegisteredFeed[]): readonly string[] {
  return registered.flatMap(({ feed }) => (feed.access === "public" ? [feed.path] : []));
}
