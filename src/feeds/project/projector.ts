import type { Clock } from "../../core/clock.ts";
import { createBatchSize } from "../../storage/batch-size.ts";
import { type Committed, createFeedCommits, type FeedDeps, NOTHING_PUBLISHED } from "./commit.ts";
import type { ErasedRange } from "../../log/erase/erased-ranges.ts";
import { readSourceNews } from "./source-news.ts";
import { projectingUnder } from "../contract/contract.ts";
import { createMaintenance } from "../lifecycle/maintenance.ts";
import { rangeApplied } from "../erase/erasing-work.ts";
import { subjectsWithPlaces } from "./places.ts";
import type { PlanFailure } from "./plan.ts";
import { promotion } from "../contract/published-contract.ts";
import { basisOf, type FeedRecord, type ProjectionFailure, type FeedStatus, readFeed } from "../record.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";
import type { Step, StepOptions } from "./step.ts";
import { nextBatch } from "./next-batch.ts";
import { isReadable } from "./source.ts";

/** Source events one write projects: few enough that appends and hydrations hardly wait for it. */
const BATCH_EVENTS = 500;

/** Positions that may pass without an event to publish before the cursor is written. */
const CURSOR_STRIDE = 20_000;

const NOTHING_REACHED = { cursor: 0, merged: 0, hasMerged: false };

/** Weight of the last batch in the measured rate. */
const RATE_WEIGHT = 0.1;

/** Projects one feed, a batch at a time. It may be dropped between any two writes. */
export interface Projector {
  /** Reads and plans a batch while the one before is being written, and then has it written. */
  step(options: StepOptions): Promise<Step>;
  /** Resolves when nothing is being written. */
  settle(): Promise<void>;
  forget(): void;
}

/** The outcome of the write of a batch: null when it was outdated. */
type Landed = { readonly committed: Committed | null } | { readonly error: unknown };

export function createProjector(
  deps: FeedDeps & { readonly clock: Clock; readonly batchEvents?: number },
  registered: RegisteredFeed,
): Projector {
  const { database, clock, batchEvents = BATCH_EVENTS } = deps;
  const { feed, log, source } = registered;
  const commits = createFeedCommits(deps, registered);
  /** As of this projector's own last write; null when others may have written since. */
  let known: FeedRecord | null = null;
  /** The cursor up to which no event is left to project; it is written later. */
  let reached = NOTHING_REACHED;
  /** Identity of the source that positions were read under; empty: none were. */
  let sourceIdentity = "";
  const batchSize = createBatchSize(batchEvents);
  /** The batch that is being written; plans made meanwhile rest on it. */
  let flight: Promise<Landed> | null = null;
  let writeMs = 0;
  /** Whether the last step traced. */
  let tracing = false;
  /** Everything is projected but the places that a feed keeps while it is built again. */
  let settling = false;
  /** Ranges of the source up to this one are erased by tombstones that are still to be projected. */
  let passed: ErasedRange | null = null;

  /** Waits for the batch that is being written; false when it was outdated, and with it the plans that rest on it. */
  const land = async (): Promise<boolean> => {
    if (flight === null) return true;
    const landed = await flight;
    flight = null;
    if ("error" in landed) throw landed.error;
    if (landed.committed === null) return false;
    writeMs = landed.committed.durationMs;
    return true;
  };

  const forget = () => {
    known = null;
    reached = NOTHING_REACHED;
    passed = null;
    sourceIdentity = "";
    commits.forget();
  };

  const failureOf = (
    { failure: earlier }: FeedRecord,
    { position, error }: PlanFailure,
  ): ProjectionFailure => ({
    position,
    subject: error.subject,
    message: error.message,
    issues: error.issues,
    folding: false,
    since: earlier?.position === position ? earlier.since : new Date(clock.now()).toISOString(),
  });

  const measuredRate = (record: FeedRecord, events: number, startedMs: number) => {
    const rate = (events * 1_000) / Math.max(1, clock.monotonic() - startedMs);
    return record.rate === 0 ? rate : record.rate + RATE_WEIGHT * (rate - record.rate);
  };

  const maintenance = createMaintenance({
    deps,
    registered,
    commits,
    land,
    forget,
    failureOf,
    passed: () => passed,
    pass: (range) => void (passed = range),
  });

  /** A source that is built again together with the feed is emptied first. */
  const isSourceEmptied = async (): Promise<boolean> =>
    registered.upstream !== null && (await readFeed(database, source))?.status === "rebuilding";

  const stepFrom = async (record: FeedRecord, options: StepOptions): Promise<Step> => {
    const { lease, flush } = options;
    const startedMs = clock.monotonic();
    // A halted feed does not reach the tombstones that were to erase the ranges.
    if (record.status !== "live") passed = null;
    const applied = { erased: Math.max(record.erased, passed?.id ?? 0) };
    const {
      head: sourceHead,
      identity,
      erasing,
      live: sourceLive,
    } = await readSourceNews(database, registered, applied);
    if (identity !== sourceIdentity && sourceIdentity !== "") {
      // The known positions belong to another history.
      await land();
      forget();
      return { kind: "outdated" };
    }
    sourceIdentity = identity;
    if (record.cursor === 0 && (await isSourceEmptied())) {
      await land();
      forget();
      return { kind: "caught-up", position: sourceHead, unwritten: false, pending: true };
    }
    if (erasing) {
      const step = await maintenance.erase(options);
      if (step !== null) return step;
    }
    const isUntraced = registered.tracked && record.traced !== null;
    tracing = isUntraced && !tracing;
    if (tracing) return maintenance.trace(lease);
    // The failure may quote an event that was erased since.
    if (record.status === "halted" && record.failure !== null && !options.retry) {
      if (await isReadable(database, source, record.failure.position))
        return isUntraced ? maintenance.trace(lease) : { kind: "halted", failure: record.failure };
    }
    if (settling) {
      const step = await maintenance.settlePlaces(options);
      if (step !== null) return step;
      settling = false;
    }
    const projecting = await projectingUnder(database, registered, record);
    if (projecting === null) {
      await land();
      forget();
      return { kind: "superseded" };
    }
    const after = {
      cursor: Math.max(record.cursor, reached.cursor),
      merged: Math.max(record.merged, reached.merged),
    };
    const batch = await nextBatch(database, registered, after, sourceHead, batchSize);
    const { head, isAhead, isWaiting } = batch;
    const building = record.status !== "live";
    const { plan, cursor, merged } = await batch.plan((rows) =>
      rows.length === 0
        ? Promise.resolve(NOTHING_PUBLISHED)
        : commits.plan(rows, { building, feed: projecting.feed, isAhead }),
    );
    const failure = plan.failure === null ? null : failureOf(record, plan.failure);
    // A source that is being built has more to come.
    const isDone = cursor >= head && sourceLive;
    // The remaining places are settled before the end of the build.
    settling = isDone && record.status !== "live" && (await subjectsWithPlaces(database, log, 1)).length > 0;
    const ends = isDone && !settling;
    const next: FeedStatus =
      failure !== null ? "halted" : ends || record.status === "live" ? "live" : "building";

    const changes =
      plan.events.length > 0 || plan.kept.length > 0 || next !== record.status || failure !== null;
    // Merging that published nothing has to be stored as well.
    const lags = Math.max(cursor - record.cursor, batch.hasMerged || reached.hasMerged ? 1 : 0);
    if (!(await land())) {
      forget();
      return { kind: "outdated" };
    }
    if (!changes && !settling && (lags === 0 || (lags < CURSOR_STRIDE && !flush))) {
      if (cursor >= head && isUntraced) return maintenance.trace(lease);
      reached = { cursor, merged, hasMerged: batch.hasMerged || reached.hasMerged };
      const pending = isWaiting || next === "building";
      return cursor >= head || isWaiting
        ? { kind: "caught-up", position: Math.max(cursor, head), unwritten: lags > 0, pending }
        : { kind: "projected", cursor, head, rate: record.rate, writeMs: 0, building: next === "building" };
    }
    const rate = measuredRate(record, cursor - after.cursor, startedMs);
    const advance = { ...basisOf(record), lease, cursor, merged, status: next, rate };
    const isPassed = passed !== null && passed.id > record.erased && passed.position <= cursor;
    const ranges = passed !== null && isPassed ? [rangeApplied(log, passed)] : [];
    const promotes = projecting.standing === "newer" && plan.events.length > 0;
    const promoted = promotes ? promotion(feed, log, projecting.revision, { raisesEpoch: false }) : null;
    flight = commits
      .commit({ ...advance, failure: failure === null ? null : JSON.stringify(failure) }, plan, {
        erasing: ranges,
        promotion: promoted,
      })
      .then(
        (committed) => ({ committed }),
        (error: unknown) => ({ error }),
      );
    // Nothing is left to be planned meanwhile.
    if ((failure !== null || next !== record.status) && !(await land())) {
      forget();
      return { kind: "outdated" };
    }
    reached = { cursor, merged, hasMerged: false };
    const erasedId = isPassed ? (passed?.id ?? record.erased) : record.erased;
    const publishedRevision = promotes ? projecting.revision : record.publishedRevision;
    known = {
      ...record,
      epoch: record.epoch + 1,
      publishedRevision,
      cursor,
      merged,
      status: next,
      rate,
      failure,
      erased: erasedId,
    };
    if (failure !== null) return { kind: "halted", failure };
    return { kind: "projected", cursor, head, rate, writeMs, building: next === "building" };
  };

  return {
    forget,
    async settle() {
      await flight;
    },
    async step(options) {
      known ??= await readFeed(database, log);
      const record = known;
      if (record === null || record.status === "retiring") return { kind: "gone" };
      if (record.status === "rebuilding") return { kind: "emptied" };
      try {
        return await stepFrom(record, options);
      } catch (error) {
        // The outcome of the write is unknown.
        forget();
        throw error;
      }
    },
  };
}
