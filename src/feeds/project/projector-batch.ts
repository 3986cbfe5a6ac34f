import type { Span } from "@opentelemetry/api";

import type { Histogram } from "../../core/measures.ts";
import type { ProjectingContract } from "../contract/contract.ts";
import { promotion } from "../contract/published-contract.ts";
import { rangeApplied } from "../erase/erasing-work.ts";
import { basisOf, type FeedRecord, type FeedStatus, type ProjectionFailure } from "../record.ts";
import { NOTHING_PUBLISHED } from "./commit.ts";
import { nextBatch, type Reached } from "./next-batch.ts";
import { subjectsWithPlaces } from "./places.ts";
import type { FeedPlan } from "./plan.ts";
import { endProjectionSpan, startProjectionSpan } from "./projection-span.ts";
import { type ProjectorState, recordedFailure } from "./projector-state.ts";
import type { SourceState } from "./source-state.ts";
import type { Step, StepOptions } from "./step.ts";
import { statusEntries } from "./status-entries.ts";

/*
 * The next batch of a projector: read and planned, and then written, or left out when nothing changes but the cursor.
 */

/** Positions that may pass without an event to publish before the cursor is written. */
const CURSOR_STRIDE = 20_000;

/** Weight of the last batch in the measured rate. */
const RATE_WEIGHT = 0.1;

/** A batch that was read and planned, with the progress of the feed after it. */
interface PlannedBatch extends Reached {
  /** The record that the plan rests on. */
  readonly record: FeedRecord;
  readonly projecting: ProjectingContract;
  readonly startedMs: number;
  readonly plan: FeedPlan;
  /** Source positions that it passes. */
  readonly span: number;
  /** Head of the source. */
  readonly head: number;
  readonly isWaiting: boolean;
  readonly hasMerged: boolean;
  readonly failure: ProjectionFailure | null;
  readonly status: FeedStatus;
  /** Null: no traces are recorded, or there are no events. Without a write, the span never ends, and is not recorded. */
  readonly traced: Span | null;
}

/** The status of a feed after a batch. A source that is being built has more to come. */
function statusAfter(record: FeedRecord, failure: ProjectionFailure | null, isComplete: boolean): FeedStatus {
  if (failure !== null) return "halted";
  return isComplete || record.status === "live" ? "live" : "building";
}

/** Reads and plans the next batch of a feed on its record. */
export async function planNextBatch(
  state: ProjectorState,
  { record, projecting, startedMs }: Pick<PlannedBatch, "record" | "projecting" | "startedMs">,
  source: SourceState,
): Promise<PlannedBatch> {
  const { deps, registered, commits, reached, batchSize, reads } = state;
  const after = {
    cursor: Math.max(record.cursor, reached.cursor),
    merged: Math.max(record.merged, reached.merged),
  };
  const shared = { filter: reads.filter, events: reads.eventsAsOf(source) };
  const batch = await nextBatch(deps.database, registered, after, source.head, batchSize, shared);
  const { head, isAhead, isWaiting } = batch;
  const traced = startProjectionSpan(registered, batch.rows);
  const isBuilding = record.status !== "live";
  const { plan, cursor, merged } = await batch.plan((rows) =>
    rows.length === 0
      ? Promise.resolve(NOTHING_PUBLISHED)
      : commits.plan(rows, { building: isBuilding, feed: projecting.feed, isAhead }),
  );
  const isDone = cursor >= head && source.live;
  // The remaining places are settled before the end of the build.
  state.settling =
    isDone && isBuilding && (await subjectsWithPlaces(deps.database, registered.log, 1)).length > 0;
  const failure = plan.failure === null ? null : recordedFailure(state, record, plan.failure);
  return {
    record,
    projecting,
    startedMs,
    plan,
    cursor,
    merged,
    span: cursor - after.cursor,
    head,
    isWaiting,
    hasMerged: batch.hasMerged || reached.hasMerged,
    failure,
    status: statusAfter(record, failure, isDone && !state.settling),
    traced,
  };
}

/** Positions by which the stored cursor lags behind the batch. Merging that published nothing has to be stored as well. */
function lagOf({ record, cursor, hasMerged }: PlannedBatch): number {
  return Math.max(cursor - record.cursor, hasMerged ? 1 : 0);
}

/** Whether the batch is written now: it changes something, or the stored cursor lags too far. */
export function isWriteDue(
  { settling }: ProjectorState,
  batch: PlannedBatch,
  { flush }: StepOptions,
): boolean {
  const { plan, record, status, failure } = batch;
  const changes =
    plan.events.length > 0 || plan.kept.length > 0 || status !== record.status || failure !== null;
  const lag = lagOf(batch);
  return changes || settling || (lag > 0 && (lag >= CURSOR_STRIDE || flush));
}

/** Notes the progress of a batch that changes nothing, to write it later. */
export function passBatch(state: ProjectorState, batch: PlannedBatch): Step {
  const { record, cursor, merged, head, isWaiting, hasMerged, status } = batch;
  const building = status === "building";
  state.reached = { cursor, merged, hasMerged };
  if (cursor < head && !isWaiting)
    return { kind: "projected", cursor, head, rate: record.rate, writeMs: 0, building };
  const pending = isWaiting || building;
  return { kind: "caught-up", position: Math.max(cursor, head), unwritten: lagOf(batch) > 0, pending };
}

function measuredRate(
  { deps: { clock } }: ProjectorState,
  { record, span, startedMs }: PlannedBatch,
): number {
  const rate = (span * 1_000) / Math.max(1, clock.monotonic() - startedMs);
  return record.rate === 0 ? rate : record.rate + RATE_WEIGHT * (rate - record.rate);
}

/** Measures how old events are. Those of one commit have one time, which is read once. */
function observeAges(published: Histogram, events: FeedPlan["events"], nowMs: number): void {
  let last = "";
  let count = 0;
  const observe = () => {
    if (count > 0) published.observe(Math.max(0, nowMs - Date.parse(last)) / 1_000, count);
  };
  for (const { event } of events) {
    if (event.recorded !== last) {
      observe();
      last = event.recorded;
      count = 0;
    }
    count += 1;
  }
  observe();
}

/** Begins to write a batch, and notes the feed as the write will leave it. */
export function launchBatch(state: ProjectorState, batch: PlannedBatch, { lease }: StepOptions): void {
  const { registered, commits, passed, published, writes } = state;
  const { clock } = state.deps;
  const { feed, log } = registered;
  const { record, projecting, plan, cursor, merged, status, failure, traced } = batch;
  const rate = measuredRate(state, batch);
  const applied = passed !== null && passed.id > record.erased && passed.position <= cursor ? passed : null;
  const promotes = projecting.standing === "newer" && plan.events.length > 0;
  const failureText = failure === null ? null : JSON.stringify(failure);
  writes.count += 1;
  const written = commits
    .commit({ ...basisOf(record), lease, cursor, merged, status, rate, failure: failureText }, plan, {
      erasing: applied === null ? [] : [rangeApplied(log, applied)],
      promotion: promotes ? promotion(feed, log, projecting.revision, { raisesEpoch: false }) : null,
      recorded: statusEntries(log, { before: record.status, next: status, failure }, () => clock.now()),
    })
    .then(
      (committed) => {
        // The events that a build publishes are as old as the log.
        if (committed !== null && record.status === "live") observeAges(published, plan.events, clock.now());
        endProjectionSpan(traced, committed === null ? "outdated" : { published: plan.events.length });
        return { committed };
      },
      (error: unknown) => {
        endProjectionSpan(traced, { error });
        return { error };
      },
    )
    .finally(() => {
      writes.count -= 1;
    });
  state.flights.push(written);
  state.reached = { cursor, merged, hasMerged: false };
  state.known = {
    ...record,
    epoch: record.epoch + 1,
    publishedRevision: promotes ? projecting.revision : record.publishedRevision,
    cursor,
    merged,
    status,
    rate,
    failure,
    erased: applied?.id ?? record.erased,
  };
}

/**
 * Whether the next batch may be written behind this one: it is refused unless the progress of this one is stored. Nothing is
 * left to be planned after a failure, or a change of the status.
 */
export function isProvable({ record, cursor, merged, failure, status }: PlannedBatch): boolean {
  const progresses = cursor > record.cursor || merged > record.merged;
  return progresses && failure === null && status === record.status;
}

/** The outcome of a step whose batch was launched. */
export function stepOf({ writeMs, known }: ProjectorState, batch: PlannedBatch): Step {
  const { cursor, head, status, failure, record } = batch;
  if (failure !== null) return { kind: "halted", failure };
  const { rate } = known ?? record;
  return { kind: "projected", cursor, head, rate, writeMs, building: status === "building" };
}
