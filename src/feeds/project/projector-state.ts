import type { Clock } from "../../core/clock.ts";
import type { ErasedRange } from "../../log/erase/erased-ranges.ts";
import { type BatchSize, createBatchSize } from "../../storage/batch-size.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";
import type { FeedRecord, ProjectionFailure } from "../record.ts";
import { type Committed, createFeedCommits, type FeedCommits, type FeedDeps } from "./commit.ts";
import type { Reached } from "./next-batch.ts";
import type { PlanFailure } from "./plan.ts";
import { createSourceReads, type SourceReads } from "./source-reads.ts";

/** Source events one write projects, in 4 ms: few enough that appends and hydrations hardly wait for it. */
const BATCH_EVENTS = 1_000;

const NOTHING_REACHED = { cursor: 0, merged: 0, hasMerged: false };

export interface ProjectorDeps extends FeedDeps {
  readonly clock: Clock;
  /** Default: {@link BATCH_EVENTS}. */
  readonly batchEvents?: number;
  /** Default: shared with no other feed. */
  readonly reads?: SourceReads;
}

/** The outcome of the write of a batch: null when it was outdated. */
type WriteOutcome = { readonly committed: Committed | null } | { readonly error: unknown };

/** The memory of a projector. It may be forgotten between any two writes. */
export interface ProjectorState {
  readonly deps: ProjectorDeps;
  readonly registered: RegisteredFeed;
  readonly commits: FeedCommits;
  readonly batchSize: BatchSize;
  readonly reads: SourceReads;
  /** As of this projector's own last write; null when others may have written since. */
  known: FeedRecord | null;
  /** The cursor up to which no event is left to project; it is written later. */
  reached: Reached & { readonly hasMerged: boolean };
  /** Identity of the source that positions were read under; empty: none were. */
  sourceIdentity: string;
  /** The batch that is being written; plans made meanwhile rest on it. */
  flight: Promise<WriteOutcome> | null;
  /** Duration of the last write. */
  writeMs: number;
  /** Whether the last step traced. */
  tracing: boolean;
  /** Everything is projected but the places that a feed keeps while it is built again. */
  settling: boolean;
  /** Ranges of the source up to this one are erased by tombstones that are still to be projected. */
  passed: ErasedRange | null;
}

export function createProjectorState(deps: ProjectorDeps, registered: RegisteredFeed): ProjectorState {
  return {
    deps,
    registered,
    commits: createFeedCommits(deps, registered),
    batchSize: createBatchSize(deps.batchEvents ?? BATCH_EVENTS),
    reads: deps.reads ?? createSourceReads(deps.database, deps.clock, [registered]),
    known: null,
    reached: NOTHING_REACHED,
    sourceIdentity: "",
    flight: null,
    writeMs: 0,
    tracing: false,
    settling: false,
    passed: null,
  };
}

/** Waits for the batch that is being written; false when it was outdated, and with it the plans that rest on it. */
export async function landWrite(state: ProjectorState): Promise<boolean> {
  if (state.flight === null) return true;
  const outcome = await state.flight;
  state.flight = null;
  if ("error" in outcome) throw outcome.error;
  if (outcome.committed === null) return false;
  state.writeMs = outcome.committed.durationMs;
  return true;
}

/** Forgets everything that others may have changed. */
export function forgetState(state: ProjectorState): void {
  state.known = null;
  state.reached = NOTHING_REACHED;
  state.passed = null;
  state.sourceIdentity = "";
  state.commits.forget();
  state.reads.forget();
}

/** The failure as the feed's record keeps it. */
export function recordedFailure(
  { deps: { clock } }: ProjectorState,
  { failure: earlier }: FeedRecord,
  { position, error }: PlanFailure,
): ProjectionFailure {
  return {
    position,
    subject: error.subject,
    message: error.message,
    issues: error.issues,
    folding: false,
    since: earlier?.position === position ? earlier.since : new Date(clock.now()).toISOString(),
  };
}
