import type { Clock } from "../../core/clock.ts";
import { type Histogram, UNMEASURED } from "../../core/measures.ts";
import type { ErasedRange } from "../../log/erase/erased-ranges.ts";
import { type BatchSize, createBatchSize } from "../../storage/batch-size.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";
import { type FeedRecord, type ProjectionFailure, readFeed } from "../record.ts";
import { type Committed, createFeedCommits, type FeedCommits, type FeedDeps } from "./commit.ts";
import type { Reached } from "./next-batch.ts";
import type { PlanFailure } from "./plan.ts";
import { createSourceReads, type SourceReads } from "./source-reads.ts";

/** Source events one write projects, in 4 ms: few enough that appends and hydrations hardly wait for it. */
const BATCH_EVENTS = 1_000;

const NOTHING_REACHED = { cursor: 0, merged: 0, hasMerged: false };

/** How many batches are being written. */
export interface UnderWay {
  count: number;
}

export interface ProjectorDeps extends FeedDeps {
  readonly clock: Clock;
  /** Batches of the feed in an embedded database that are written at the same time, at most. Default: 1. */
  readonly mostFlights?: number;
  /** Default: {@link BATCH_EVENTS}. */
  readonly batchEvents?: number;
  /** Default: shared with no other feed. */
  readonly reads?: SourceReads;
  /** Batches of all feeds of the source that are being written. Default: of this feed. */
  readonly writes?: UnderWay;
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
  readonly writes: UnderWay;
  /** From the append of an event to its publication. */
  readonly published: Histogram;
  /** As of this projector's own last write; null when others may have written since. */
  known: FeedRecord | null;
  /** The cursor up to which no event is left to project; it is written later. */
  reached: Reached & { readonly hasMerged: boolean };
  /** Head of the source at the last batch. */
  sourceHead: number;
  /** Identity of the source that positions were read under; empty: none were. */
  sourceIdentity: string;
  /** The batches that are being written, in order; each rests on the one before, and plans made meanwhile on the last. */
  flights: Promise<WriteOutcome>[];
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
    writes: deps.writes ?? { count: 0 },
    published: (deps.measures ?? UNMEASURED).histogram("append_to_feed_seconds", {
      feed: registered.feed.name,
      version: String(registered.feed.version),
    }),
    known: null,
    reached: NOTHING_REACHED,
    sourceHead: 0,
    sourceIdentity: "",
    flights: [],
    writeMs: 0,
    tracing: false,
    settling: false,
    passed: null,
  };
}

/**
 * Waits for the batches that are being written, until so many are left; false when one of them was outdated, and with it
 * those behind it and the plans that rest on them. After that, and after an error, none is left.
 * @throws the error of a batch whose outcome is unknown: the term of the lease has to end
 */
async function landUntil(state: ProjectorState, left: number): Promise<boolean> {
  while (state.flights.length > left) {
    const outcome = await state.flights[0];
    if (outcome !== undefined && "committed" in outcome && outcome.committed !== null) {
      state.flights = state.flights.slice(1);
      state.writeMs = outcome.committed.durationMs;
      continue;
    }
    const outcomes = await Promise.all(state.flights);
    state.flights = [];
    for (const each of outcomes) if ("error" in each) throw each.error;
    return false;
  }
  return true;
}

/** Waits for all batches that are being written; false: they are outdated. */
export function landWrites(state: ProjectorState): Promise<boolean> {
  return landUntil(state, 0);
}

/**
 * Waits until another batch may be written; false: those before it are outdated. `head`: of the source. While others append,
 * or other feeds keep the thread that writes busy, a feed has one batch written at a time, so that nobody waits for more.
 */
export function awaitTurn(state: ProjectorState, head: number): Promise<boolean> {
  // A libSQL server may run writes in another order, and would refuse the second.
  const most = state.deps.database.embedded ? (state.deps.mostFlights ?? 1) : 1;
  const isAlone = head === state.sourceHead && state.writes.count <= state.flights.length;
  state.sourceHead = head;
  return landUntil(state, isAlone ? most - 1 : 0);
}

/** The record of the feed as the batches that are being written will leave it; null: the feed was retired. */
export async function recordOf(state: ProjectorState): Promise<FeedRecord | null> {
  if (state.known === null) {
    // A plan on the record as it is stored now would be written behind batches that change it.
    await landWrites(state);
    state.known = await readFeed(state.deps.database, state.registered.log);
  }
  return state.known;
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

/** Frames of a stack that the record keeps, and the characters of each. */
const MOST_FRAMES = 12;
const MOST_FRAME_CHARACTERS = 300;

/** The frames of the error that a handler threw, without its message, which the failure has. */
function framesOf({ cause }: Error): { readonly stack?: readonly string[] } {
  if (!(cause instanceof Error)) return {};
  const lines = (cause.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  const stack = lines.slice(0, MOST_FRAMES).map((line) => line.trim().slice(0, MOST_FRAME_CHARACTERS));
  return stack.length === 0 ? {} : { stack };
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
    ...framesOf(error),
    folding: false,
    since: earlier?.position === position ? earlier.since : new Date(clock.now()).toISOString(),
  };
}
