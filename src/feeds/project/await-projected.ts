import { KildeError } from "../../core/errors.ts";
import { createBatchSize, readBatch } from "../../storage/batch-size.ts";
import { readHead } from "../../log/read/subjects.ts";
import { eraseStep } from "../erase/erasing.ts";
import { type HydrateDeps, projectionFailed } from "./hydrate-subject.ts";
import { isAheadLeft } from "./merging.ts";
import { type FeedRecord, readFeed } from "../record.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";
import { sourceBatch, sourceRange } from "./source.ts";
import { readSourceState } from "./source-state.ts";
import { secondsLeft } from "../lifecycle/status.ts";

/** Waits, in steps, for a feed that is close to its source's head to reach it. */
const WAIT_MS = [2, 4, 8, 16, 32, 64, 128, 256];

/** Source positions before the head in which a request looks for events of its subject: a millisecond's work. */
const NEAR_POSITIONS = 1_000;

/** How long a request for one subject works at erasures that the feed has not applied yet. */
const ERASING_MS = 2_000;

/**
 * Whether all source events of a subject up to a position are projected, though the cursor is not
 * there yet. An event whose subject cannot be computed may count for any. A subject of null means all subjects.
 */
async function isComplete(
  { database }: HydrateDeps,
  { feed, source, merges }: RegisteredFeed,
  { cursor, merged }: FeedRecord,
  head: number,
  subject: string | null,
): Promise<boolean> {
  if (merges && (await isAheadLeft(database, source, merged))) return false;
  if (cursor >= head) return true;
  if (head - cursor > NEAR_POSITIONS) return false;
  const size = createBatchSize(NEAR_POSITIONS);
  for (let after = cursor; after < head;) {
    const from = after;
    const batch = sourceBatch(database, source, head - from, (limit) =>
      sourceRange(source, feed.source, { after: from, upTo: head, limit }),
    );
    const { rows, limit } = await readBatch(size, batch);
    for (const { event } of rows) {
      try {
        const counts = feed.subjectOf(event);
        if (counts !== null && (subject === null || counts === subject)) return false;
      } catch {
        // The projector halts at this event, and reports why.
        return false;
      }
    }
    if (rows.length < limit) return true;
    after = rows.at(-1)?.position ?? head;
  }
  return true;
}

/** The error of a request for a feed that is not projected as far as it needs. */
function behind({ feed }: RegisteredFeed, { cursor, rate }: FeedRecord, head: number): KildeError {
  const progress = {
    done: cursor,
    total: head,
    eventsPerSecond: Math.round(rate),
    secondsLeft: secondsLeft(head - cursor, rate),
  };
  return new KildeError(
    "feed-behind",
    `${feed.path} is projected up to position ${cursor} of ${feed.source.log}, and not yet up to ${head}`,
    { progress },
  );
}

/**
 * Resolves when all present source events of a subject (null: of all subjects) are in the feed, and in the feeds
 * that it is projected from.
 */
export async function awaitProjected(
  deps: HydrateDeps,
  registered: RegisteredFeed,
  subject: string | null,
): Promise<void> {
  const { database, clock } = deps;
  const { feed, log, source, upstream } = registered;
  if (upstream !== null) await awaitProjected(deps, upstream, null);
  await applyErasures(deps, registered);
  const head = await readHead(database, source);
  for (const ms of [...WAIT_MS, null]) {
    const record = await readFeed(database, log);
    if (record === null || record.status === "retiring") return;
    if (record.status === "rebuilding")
      throw new KildeError("feed-behind", `${feed.path} is about to be built again`);
    if (await isComplete(deps, registered, record, head, subject)) return;
    if (record.status === "halted" && record.failure !== null)
      throw projectionFailed(registered, record.failure);
    const isNear = record.status === "live" || head - record.cursor <= NEAR_POSITIONS;
    if (ms === null || !isNear) throw behind(registered, record, head);
    await clock.sleep(ms);
  }
}

/** Applies the erasures of the source, so that a complete subject contains no erased data. */
async function applyErasures(deps: HydrateDeps, registered: RegisteredFeed): Promise<void> {
  const { feed, log, tracked } = registered;
  const until = deps.clock.monotonic() + ERASING_MS;
  while (tracked) {
    const record = await readFeed(deps.database, log);
    if (record === null || record.status === "retiring" || record.status === "rebuilding") return;
    if (!(await readSourceState(deps.database, registered, record)).erasing) return;
    const step = await eraseStep({ deps, registered, record, lease: null, fold: true });
    if (step.kind === "idle" || step.kind === "passed") return;
    if (step.kind === "failed") {
      const { position, error } = step.failure;
      throw projectionFailed(registered, { position, message: error.message, issues: error.issues }, error);
    }
    if (deps.clock.monotonic() > until)
      throw new KildeError("feed-behind", `${feed.path} is applying erasures of its source`);
  }
}
