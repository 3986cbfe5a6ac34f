import type { Clock } from "../../core/clock.ts";
import { KildeError } from "../../core/errors.ts";
import { findSubject, versionAt } from "../../log/read/subjects.ts";
import { type BatchSize, createBatchSize, readBatch } from "../../storage/batch-size.ts";
import { projectingUnder } from "../contract/contract.ts";
import { commitHydration, type FeedDeps } from "./commit.ts";
import { assign, type FeedPlan, planBatch } from "./plan.ts";
import { type ProjectionFailure, readFeed } from "../record.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";
import { sourceBatch, subjectRange } from "./source.ts";
import type { SourceRow } from "./source-rows.ts";
import { readSourceState } from "./source-state.ts";
import { readSubjectsWithPlaces, UNKNOWN_SUBJECT } from "../subjects.ts";

/*
 * Projecting one subject ahead of the rest of its feed, where the subject has the same name in the source. Any process may
 * do so at any time: the write is refused when the subject is not as it was planned on (`write.ts`), and the subject's
 * `projected` makes the walker skip the events that are done.
 */

/** Most source events of one write: a subject may have more than fit in memory. */
const CHUNK_EVENTS = 1_000;

/** How often others may write to the feed first. */
const ATTEMPTS = 100;

/** How long a request waits, in steps, for a live feed to catch up. */
const PATIENCE_MS = [2, 4, 8, 16, 32];

export interface HydrateDeps extends FeedDeps {
  readonly clock: Clock;
}

interface Chunk {
  readonly rows: readonly SourceRow[];
  /** Everything of the subject up to this position is in it, or was before. */
  readonly upTo: number;
}

/** The source positions still to be read for the subject. */
interface Range {
  readonly after: number;
  readonly head: number;
  readonly size: BatchSize;
}

/** The next events of the subject, which has the same name in the source. */
async function nextChunk(
  { database }: HydrateDeps,
  { feed, source }: RegisteredFeed,
  subject: string,
  { after, head, size }: Range,
): Promise<Chunk> {
  const info = await findSubject(database, source, subject);
  if (info === null || info.position <= after) return { rows: [], upTo: head };
  const afterVersion = await versionAt(database, source, info, { position: after });
  const span = info.version - afterVersion;
  const batch = sourceBatch(database, source, span, (limit) =>
    subjectRange(source, feed.source, { subjectId: info.id, afterVersion, upTo: head, limit }),
  );
  const { rows, limit } = await readBatch(size, batch);
  return { rows, upTo: rows.length === limit ? (rows.at(-1)?.position ?? head) : head };
}

/** The error of a request whose subject cannot be projected. */
export function projectionFailed(
  { feed }: RegisteredFeed,
  { position, message, issues }: Pick<ProjectionFailure, "position" | "message" | "issues">,
  cause?: unknown,
): KildeError {
  return new KildeError(
    "projection-failed",
    `${feed.path} cannot project event ${position} of ${feed.source.log}: ${message}`,
    { errors: issues.map(({ pointer, detail }) => ({ pointer, detail })) },
    { cause },
  );
}

/** Everything that a plan rests on, read in an order in which each part may only be older than the next. */
async function readBasis({ database }: HydrateDeps, registered: RegisteredFeed, subject: string) {
  const { log } = registered;
  const before = (await readSubjectsWithPlaces(database, log, [subject])).get(subject) ?? UNKNOWN_SUBJECT;
  // The cursor comes after the subject: what the projector did in between is in the cursor, and the subject's version or
  // state differs from the plan's. The other way round it would be projected twice.
  const record = await readFeed(database, log);
  if (record === null || record.status === "retiring") return null;
  if (record.status === "rebuilding")
    throw new KildeError("feed-behind", `${registered.feed.path} is about to be built again`);
  const { identity: sourceIdentity } = await readSourceState(database, registered, record);
  const projecting = await projectingUnder(database, registered, record);
  if (projecting === null)
    throw new KildeError("feed-behind", `${registered.feed.path} is projected by another release`);
  const { identity, publishedRevision } = record;
  return {
    projecting,
    record,
    before,
    hydration: { subject, before, publishedRevision, identity, sourceIdentity },
  };
}

/** Projects the subject's events up to a position of the source, a chunk at a time. */
export async function hydrateTo(
  deps: HydrateDeps,
  registered: RegisteredFeed,
  subject: string,
  head: number,
): Promise<void> {
  const { tracked } = registered;
  const size = createBatchSize(CHUNK_EVENTS);
  let looked = 0;
  let patience = 0;
  for (let attempt = 1; attempt <= ATTEMPTS;) {
    const basis = await readBasis(deps, registered, subject);
    if (basis === null) return;
    const { projecting, record, before, hydration } = basis;
    const { feed } = projecting;
    const after = Math.max(record.cursor, before.projected, looked);
    if (after >= head) return;
    const { rows, upTo } = await nextChunk(deps, registered, subject, { after, head, size });
    if (rows.length === 0 && before.places.length === 0) {
      // Nothing that counts for the subject, so nothing to write: the walker will find the same.
      looked = upTo;
      continue;
    }
    const wait = record.status === "live" ? PATIENCE_MS[patience] : undefined;
    if (wait !== undefined) {
      patience += 1;
      await deps.clock.sleep(wait);
      continue;
    }
    const plan = planBatch(feed, assign(feed, rows), () => before, {
      tracked,
      touched: [subject],
      isAhead: () => true,
    });
    if (plan.failure !== null) {
      const { position, error } = plan.failure;
      throw projectionFailed(registered, { position, message: error.message, issues: error.issues }, error);
    }
    const known = plan.after.get(subject) ?? before;
    const hydrated: FeedPlan = {
      ...plan,
      after: new Map([[subject, { ...known, stored: true, projected: upTo }]]),
      kept: [subject],
      newSubjects: before.stored ? [] : [subject],
    };
    if (await commitHydration(deps, registered, { hydration, plan: hydrated, projecting })) attempt = 1;
    else attempt += 1;
  }
  throw new KildeError(
    "overloaded",
    `${registered.feed.path} was written by others ${ATTEMPTS} times in a row`,
  );
}
