import type { Clock } from "../core/clock.ts";
import { KildeError } from "../core/errors.ts";
import { findSubject, versionAt } from "../log/subjects.ts";
import { type BatchSize, createBatchSize, readBatch } from "../log/batch-size.ts";
import type { FeedCommits, FeedDeps } from "./commit.ts";
import type { FeedPlan, PlanFailure } from "./plan.ts";
import { readFeed } from "./record.ts";
import type { RegisteredFeed } from "./register.ts";
import { type SourceRow, sourceBatch, sourceRange, subjectRange } from "./source.ts";
import { readSubjectsWithPlaces, UNKNOWN_SUBJECT } from "./subjects.ts";

/*
 * Projecting one subject ahead of the rest of its feed. Any process may do so at any time: the feed's epoch makes
 * whoever else was about to write plan anew, and the subject's `projected` makes the walker skip what is done.
 */

/** Most source events of one write: a subject may have more than fit in memory. */
const CHUNK_EVENTS = 1_000;

/** How often others may write to the feed first. */
const ATTEMPTS = 100;

/** A feed that is live is given this long to catch up by itself, in steps. */
export const PATIENCE_MS = [2, 4, 8, 16, 32];

export interface HydrateDeps extends FeedDeps {
  readonly clock: Clock;
}

interface Chunk {
  readonly rows: readonly SourceRow[];
  /** Everything of the subject up to this position is in it, or was before. */
  readonly upTo: number;
}

/** What is still to be looked at for the subject. */
interface Range {
  readonly after: number;
  readonly head: number;
  readonly size: BatchSize;
}

/** The next events of a subject that is named as in the source. */
async function ownChunk(
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

/** The next events that count for a subject of another name: found by looking through the source. */
async function scannedChunk(
  { database, clock }: HydrateDeps,
  { feed, source }: RegisteredFeed,
  subject: string,
  { after, head, size }: Range,
): Promise<Chunk> {
  const rows: SourceRow[] = [];
  let position = after;
  while (position < head) {
    const from = position;
    const batch = sourceBatch(database, source, head - from, (most) =>
      sourceRange(source, feed.source, { after: from, upTo: Math.min(head, from + most), limit: most }),
    );
    const { rows: found, limit } = await readBatch(size, batch);
    rows.push(...found.filter(({ event }) => countsFor(event) === subject));
    position = Math.min(head, from + limit);
    if (rows.length >= size.now()) return { rows, upTo: position };
    await clock.yield();
  }
  return { rows, upTo: head };

  function countsFor(event: SourceRow["event"]): string | null {
    try {
      return feed.subjectOf(event);
    } catch {
      // Whose event it is nobody can tell; the walker halts at it.
      return null;
    }
  }
}

/** The error of a request whose subject cannot be projected. */
export function projectionFailed({ feed }: RegisteredFeed, { position, error }: PlanFailure): KildeError {
  return new KildeError(
    "projection-failed",
    `${feed.path} cannot project event ${position} of ${feed.source.log}: ${error.message}`,
    {
      errors: error.issues.map(({ pointer, detail }) => ({ pointer, detail })),
    },
    { cause: error },
  );
}

/** Projects the subject's events up to a position of the source, a chunk at a time. */
export async function hydrateTo(
  deps: HydrateDeps,
  registered: RegisteredFeed,
  commits: FeedCommits,
  subject: string,
  head: number,
): Promise<void> {
  const { log, feed } = registered;
  const nextChunk = feed.rekeyed ? scannedChunk : ownChunk;
  const size = createBatchSize(CHUNK_EVENTS);
  let looked = 0;
  let patience = 0;
  for (let attempt = 1; attempt <= ATTEMPTS;) {
    const record = await readFeed(deps.database, log);
    if (record === null || record.status === "retiring") return;
    if (record.status === "rebuilding")
      throw new KildeError("feed-behind", `${feed.path} is about to be built anew`);
    const states = await readSubjectsWithPlaces(deps.database, log, [subject]);
    const state = states.get(subject) ?? UNKNOWN_SUBJECT;
    const after = Math.max(record.cursor, state.projected, looked);
    if (after >= head) return;
    const { rows, upTo } = await nextChunk(deps, registered, subject, { after, head, size });
    if (rows.length === 0 && state.places.length === 0) {
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
    commits.forget();
    const plan = await commits.plan(rows, { touched: [subject] });
    if (plan.failure !== null) throw projectionFailed(registered, plan.failure);
    const { after: planned } = plan;
    const known = planned.get(subject) ?? state;
    const hydrated: FeedPlan = {
      ...plan,
      after: new Map([...planned, [subject, { ...known, stored: true, projected: upTo }]]),
      kept: [subject],
      newSubjects: state.stored ? [] : [subject],
    };
    const advance = { epoch: record.epoch, lease: null, cursor: null, status: null, rate: null };
    const committed = await commits.commit({ ...advance, failure: null }, hydrated);
    if (committed === null) attempt += 1;
    else attempt = 1;
  }
  throw new KildeError("overloaded", `${feed.path} was written by others ${ATTEMPTS} times in a row`);
}
