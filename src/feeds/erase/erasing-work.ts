import type { Clock } from "../../core/clock.ts";
import { ERASED_IN_PART_TYPE } from "../../core/event.ts";
import type { Statement } from "../../storage/database.ts";
import { createPlacement } from "../../log/append/placement.ts";
import { type ErasedRange, RECORD_ERASED_IN_PLACE } from "../../log/erase/erased-ranges.ts";
import { removalStatement, reopenErasures } from "../../log/erase/erasures.ts";
import { raiseVersions, type VersionRange } from "../../log/erase/generations.ts";
import { EVENT_LOG_ADDRESS, type LogAddress } from "../../log/keys.ts";
import type { Lease } from "../../storage/lease.ts";
import { createFeedCommits, type FeedDeps, NOTHING_PUBLISHED } from "../project/commit.ts";
import type { FeedPlacement } from "../project/placing.ts";
import type { FeedPlan, PlanFailure } from "../project/plan.ts";
import { basisOf, type FeedRecord, type FeedStatus } from "../record.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";
import { forgetKeptContents } from "../../webhooks/subscriptions/source-log.ts";
import { WIPE_VERSIONS } from "../../log/erase/wipe-versions.ts";
import { ORIGIN_EXTENSION } from "../project/source-rows.ts";
import { type FeedSubject, UNKNOWN_SUBJECT } from "../subjects.ts";

/** Contributions or events that one batch erases or folds. */
export const STEP_EVENTS = 500;

export interface ErasingDeps extends FeedDeps {
  readonly clock: Clock;
}

export type ErasingStep =
  /** Nothing is left to do. */
  | { readonly kind: "idle" }
  | { readonly kind: "progressed"; readonly writeMs: number }
  /** The projector itself reaches the tombstones up to the range, and must not wait for this work. */
  | { readonly kind: "passed"; readonly range: ErasedRange }
  /** Others wrote to the feed meanwhile. */
  | { readonly kind: "outdated" }
  /** The remaining events cannot be published again; the erasing itself is done. */
  | { readonly kind: "failed"; readonly failure: PlanFailure };

export interface ErasingWork {
  readonly deps: ErasingDeps;
  readonly registered: RegisteredFeed;
  readonly record: FeedRecord;
  /** Null: a hydration. */
  readonly lease: Lease | null;
  /** Whether to publish the remaining events again, and not only to erase. */
  readonly fold: boolean;
}

/**
 * Whether the feed is halted because the events that remain after an erasure cannot be published again, and not at the next event:
 * then it failed at one that was projected before.
 */
export function failedToFold({ status, failure, cursor }: FeedRecord): boolean {
  if (status !== "halted" || failure === null) return false;
  // Failures that an earlier version of Kilde stored do not state it.
  return failure.folding ?? failure.position <= cursor;
}

/** Writes one batch of the work. */
export async function writeErasing(
  { deps, registered, record, lease, fold }: ErasingWork,
  plan: FeedPlan,
  erasing: readonly Statement[],
): Promise<ErasingStep> {
  // The remaining events could be published after all.
  const status: FeedStatus | null = fold && lease !== null && failedToFold(record) ? "building" : null;
  const advance = {
    ...basisOf(record),
    lease,
    cursor: null,
    status,
    rate: null,
    failure: null,
  };
  const committed = await createFeedCommits(deps, registered).commit(advance, plan, { erasing });
  if (committed === null) return { kind: "outdated" };
  deps.writer.sweep();
  return { kind: "progressed", writeMs: committed.durationMs };
}

/** Part of a batch: the range is applied to all of the feed. */
export function rangeApplied(log: LogAddress, { id }: ErasedRange): Statement {
  return { sql: "update feeds set erased = max(erased, ?2) where log = ?1", args: [log.id, id] };
}

/** The erasure that a batch is written for. */
export type Cause = Pick<ErasedRange, "origin" | "recorded">;

/** Part of a batch that removes a state, or events: their bytes are to be swept as well. */
export function sweepAgain({ origin }: Cause): Statement {
  return reopenErasures(EVENT_LOG_ADDRESS, [origin]);
}

/** Statements that erase versions in place, and record the ranges for feeds that are projected from this one. */
export function wipe(log: LogAddress, cause: Cause, ranges: readonly VersionRange[]): Statement[] {
  if (ranges.length === 0) return [];
  const json = JSON.stringify(ranges);
  return [
    { sql: WIPE_VERSIONS, args: [json] },
    { sql: RECORD_ERASED_IN_PLACE, args: [log.id, cause.origin, cause.recorded, json] },
    raiseVersions(log, ranges),
    forgetKeptContents(ranges),
    removalStatement(log),
    sweepAgain(cause),
  ];
}

/** Ranges in order, with those that touch as one. */
function merged(ranges: readonly (readonly [low: number, high: number])[]): [number, number][] {
  const joined: [number, number][] = [];
  for (const [low, high] of ranges.toSorted(([a], [b]) => a - b)) {
    const last = joined.at(-1);
    if (last !== undefined && low <= last[1] + 1) last[1] = Math.max(last[1], high);
    else joined.push([low, high]);
  }
  return joined;
}

/** The report of an erasure of a subject, at the head. */
export interface ErasureReport {
  readonly cause: Cause;
  readonly subject: string;
  /** Before the report. */
  readonly state: FeedSubject;
  readonly versions: readonly (readonly [low: number, high: number])[];
}

/** Reports, each of another subject, as a plan. */
export function reportPlan(reports: readonly ErasureReport[]): FeedPlan {
  const placement: FeedPlacement = createPlacement(() => UNKNOWN_SUBJECT);
  for (const { cause, subject, state, versions } of reports) {
    const version = state.version + 1;
    placement.place(subject, state.id, version, {
      type: ERASED_IN_PART_TYPE,
      time: null,
      recorded: cause.recorded,
      data: JSON.stringify({ versions: merged(versions) }),
      extensions: JSON.stringify({ [ORIGIN_EXTENSION]: String(cause.origin) }),
      offset: placement.nextOffset(),
    });
    placement.update(subject, state, { ...state, version, erased: false });
  }
  return { ...NOTHING_PUBLISHED, ...placement.placed() };
}
