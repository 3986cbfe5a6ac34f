import { KildeError } from "../core/errors.ts";
import { readHead } from "../log/subjects.ts";
import { createFeedCommits } from "./commit.ts";
import { eraseStep, readSourceNews } from "./erasing.ts";
import { type HydrateDeps, hydrateTo, PATIENCE_MS, projectionFailed } from "./hydrate-subject.ts";
import { readFeed } from "./record.ts";
import type { RegisteredFeed } from "./register.ts";

/** How long a request for one subject works at erasures that the feed has not applied yet. */
const ERASING_MS = 2_000;

/**
 * Makes a subject of a feed complete as of now: all that its source had about it when this was called is in the feed
 * when it resolves. Throws a KildeError: `projection-failed`, or `feed-behind` for a feed that is projected from
 * another by a key of its own, which only that feed's walker can complete.
 */
export async function hydrate(deps: HydrateDeps, registered: RegisteredFeed, subject: string): Promise<void> {
  const { feed, source, upstream } = registered;
  if (upstream !== null) {
    if (feed.rekeyed) await awaitUpstream(deps, upstream);
    else await hydrate(deps, upstream, subject);
  }
  await applyErasures(deps, registered);
  const head = await readHead(deps.database, source);
  await hydrateTo(deps, registered, createFeedCommits(deps, registered), subject, head);
}

/** Resolves when all that the source of a feed has is in the feed. */
async function awaitUpstream(deps: HydrateDeps, registered: RegisteredFeed): Promise<void> {
  const { database, clock } = deps;
  const { feed, source, log, upstream } = registered;
  if (upstream !== null) await awaitUpstream(deps, upstream);
  const head = await readHead(database, source);
  for (const ms of [...PATIENCE_MS, 64, 128, 256]) {
    if (((await readFeed(database, log))?.cursor ?? 0) >= head) return;
    await clock.sleep(ms);
  }
  throw new KildeError("feed-behind", `${feed.path} is not yet projected up to position ${head}`);
}

/** Applies what was erased in the source, so that a subject which is complete has none of it. */
async function applyErasures(deps: HydrateDeps, registered: RegisteredFeed): Promise<void> {
  const { feed, log, tracked } = registered;
  const until = deps.clock.monotonic() + ERASING_MS;
  while (tracked) {
    const record = await readFeed(deps.database, log);
    if (record === null || record.status === "retiring" || record.status === "rebuilding") return;
    if (!(await readSourceNews(deps.database, registered, record)).erasing) return;
    const step = await eraseStep({ deps, registered, record, lease: null, fold: true });
    if (step.kind === "idle" || step.kind === "passed") return;
    if (step.kind === "failed") throw projectionFailed(registered, step.failure);
    if (deps.clock.monotonic() > until)
      throw new KildeError("feed-behind", `${feed.path} is applying erasures of its source`);
  }
}
