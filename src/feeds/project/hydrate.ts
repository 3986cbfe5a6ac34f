import { readHead } from "../../log/read/subjects.ts";
import { awaitProjected } from "./await-projected.ts";
import { type HydrateDeps, hydrateTo } from "./hydrate-subject.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";

/**
 * Makes a subject of a feed complete as of now: all that its source had about it when this was called is in the feed
 * when it resolves. A feed whose subjects have the names of streams projects the subject ahead of the others. Any other
 * feed has to wait for its projector: only the whole source shows which of its events count for a subject, and feeds
 * that are projected from it read its events in their order, which must not depend on which subjects were read.
 *
 * Throws a KildeError: `projection-failed`, or `feed-behind`, with the progress of the feed.
 */
export async function hydrate(deps: HydrateDeps, registered: RegisteredFeed, subject: string): Promise<void> {
  const { source, upstream, tracked } = registered;
  if (tracked) return awaitProjected(deps, registered, subject);
  if (upstream !== null) await hydrate(deps, upstream, subject);
  await hydrateTo(deps, registered, subject, await readHead(deps.database, source));
}
