import type { Database } from "../../storage/database.ts";
import type { Measures } from "../../core/measures.ts";
import type { LogState } from "../../log/log-state.ts";
import { appendBatch, appendedIn } from "../../log/append/append-batch.ts";
import { createSubjectCache } from "../../log/append/subject-cache.ts";
import type { BatchWriter } from "../../storage/batch-writer.ts";
import type { Feed } from "../feed.ts";
import type { ProjectingContract } from "../contract/contract.ts";
import { promotion } from "../contract/published-contract.ts";
import { assign, type Assigned, type FeedPlan, planBatch, type PlanOptions } from "./plan.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";
import type { SourceRow } from "./source-rows.ts";
import { type FeedSubject, readFeedSubjects, readSubjectsWithPlaces, UNKNOWN_SUBJECT } from "../subjects.ts";
import { type Advance, feedAppend, type FeedWrite, type Hydration } from "./write.ts";

/** Memory for the cached subjects of a projector: 70,000 of a feed without state. */
const CACHE_BYTES = 16 * 1024 * 1024;

/** Approximate size of a kept place. */
const PLACE_BYTES = 200;

/** Receives the state of a feed's log when it has new events. */
export type OnPublished = (path: string, log: LogState) => void;

export interface FeedDeps {
  readonly database: Database;
  readonly writer: BatchWriter;
  /** Default: nothing is measured. */
  readonly measures?: Measures;
  readonly onPublished: OnPublished;
}

export interface Committed {
  readonly durationMs: number;
}

export interface PlanningOptions {
  /** The feed may be one that is built again, with places that are kept. Default: true. */
  readonly building?: boolean;
  /** Subjects whose places are settled although no event counts for them. */
  readonly touched?: readonly string[];
  /** As it may be projected under the published contract; see `contract.ts`. Default: as it was registered. */
  readonly feed?: Feed;
  readonly isAhead?: PlanOptions["isAhead"];
}

export type FeedCommitOptions = Pick<FeedWrite, "erasing" | "promotion" | "recorded">;

/** Plans batches for a feed, and writes them. Its cached subjects hold for consecutive epochs. */
export interface FeedCommits {
  /** Plans events that were read at the epoch that {@link commit} is given. */
  plan(rows: readonly SourceRow[], options?: PlanningOptions): Promise<FeedPlan>;
  /** Writes a plan; null when others wrote to the feed since, or it was taken over: read and plan again. */
  commit(advance: Advance, plan: FeedPlan, more?: FeedCommitOptions): Promise<Committed | null>;
  /** Discards the cached subjects: others may have written. */
  forget(): void;
}

/** The subjects that events count for, and others, as they are before these events. */
async function subjectsBefore(
  { database }: FeedDeps,
  { log }: RegisteredFeed,
  { assigned, touched }: { readonly assigned: readonly Assigned[]; readonly touched: readonly string[] },
  cached: (name: string) => FeedSubject | undefined,
  read: typeof readFeedSubjects,
): Promise<(name: string) => FeedSubject> {
  const known = new Map<string, FeedSubject>();
  const uncached: string[] = [];
  const look = (name: string) => {
    if (known.has(name)) return;
    const subject = cached(name);
    if (subject === undefined) uncached.push(name);
    known.set(name, subject ?? UNKNOWN_SUBJECT);
  };
  for (const name of touched) look(name);
  for (const { subject } of assigned) look(subject);
  for (const [name, subject] of await read(database, log, uncached)) known.set(name, subject);
  return (name) => known.get(name) ?? UNKNOWN_SUBJECT;
}

/** The plan of a write that changes only the cursor or the status. */
export const NOTHING_PUBLISHED: FeedPlan = {
  events: [],
  positions: 0,
  after: new Map(),
  kept: [],
  written: [],
  newSubjects: [],
  tombstones: [],
  replaced: [],
  revived: [],
  erased: [],
  ahead: [],
  origins: [],
  passed: [],
  failure: null,
};

/** Writes a plan; null when it was outdated. `onIssued` is called when the write is in the queue. */
async function writePlan(deps: FeedDeps, write: FeedWrite, onIssued?: () => void) {
  const append = feedAppend(write);
  const writing = deps.writer.write(appendBatch(append));
  onIssued?.();
  const written = await writing;
  if (written.outcome === "outdated") return null;
  const { ids, log } = appendedIn(append, written.rows);
  if (log !== null) deps.onPublished(write.log.name, log);
  if (write.plan.erased.length > 0) deps.writer.sweep();
  return { ids, durationMs: written.durationMs };
}

/** Writes a subject that was projected ahead of its feed; false when it is no longer as it was planned on. */
export async function commitHydration(
  deps: FeedDeps,
  { feed, log, source }: RegisteredFeed,
  { hydration, plan, projecting }: { hydration: Hydration; plan: FeedPlan; projecting: ProjectingContract },
): Promise<boolean> {
  const promoted =
    projecting.standing === "newer" ? promotion(feed, log, projecting.revision, { raisesEpoch: true }) : null;
  return (await writePlan(deps, { log, source, plan, hydration, promotion: promoted })) !== null;
}

export function createFeedCommits(deps: FeedDeps, registered: RegisteredFeed): FeedCommits {
  const { log, source, tracked } = registered;
  const cache = createSubjectCache<FeedSubject>(
    CACHE_BYTES,
    ({ state, places }) => (state?.length ?? 0) + places.length * PLACE_BYTES,
  );
  /** Subjects as the batches that are being written will leave them: the cache may be too small for those. */
  const underWay = new Set<FeedPlan["after"]>();
  const known = (name: string): FeedSubject | undefined => {
    const subject = cache.get(name);
    if (subject !== undefined) return subject;
    let last: FeedSubject | undefined;
    for (const after of underWay) last = after.get(name) ?? last;
    return last;
  };
  return {
    async plan(rows, { building = true, touched = [], feed = registered.feed, isAhead } = {}) {
      const assignment = assign(feed, rows);
      const read = building ? readSubjectsWithPlaces : readFeedSubjects;
      const counted = { assigned: assignment.assigned, touched };
      const stateOf = await subjectsBefore(deps, registered, counted, known, read);
      return planBatch(feed, assignment, stateOf, { tracked, touched, ...(isAhead && { isAhead }) });
    },
    async commit(advance, plan, more = {}) {
      const write = { ...advance, ...more, log, source, plan };
      const written = await writePlan(deps, write, () => {
        // The next plan builds on this one, and is void if it fails.
        for (const [name, subject] of plan.after) cache.set(name, subject);
        underWay.add(plan.after);
      })
        .catch((error: unknown) => {
          cache.clear();
          throw error;
        })
        .finally(() => underWay.delete(plan.after));
      if (written === null) {
        cache.clear();
        return null;
      }
      for (const [name, id] of written.ids) {
        const subject = cache.get(name);
        if (subject !== undefined) cache.set(name, { ...subject, id });
      }
      return { durationMs: written.durationMs };
    },
    forget: () => cache.clear(),
  };
}
