import type { Clock } from "../core/clock.ts";
import { readLogState } from "../log/log-state.ts";
import { createBatchSize, readBatch } from "../log/batch-size.ts";
import { type Committed, createFeedCommits, type FeedDeps, NOTHING_PUBLISHED } from "./commit.ts";
import type { Lease } from "../log/lease.ts";
import type { PlanFailure } from "./plan.ts";
import { type FeedRecord, type Failure, type FeedStatus, readFeed } from "./record.ts";
import type { RegisteredFeed } from "./register.ts";
import { isReadable, sourceBatch, sourceRange } from "./source.ts";

/** Source events one write projects: few enough that appends and hydrations hardly wait for it. */
const BATCH_EVENTS = 500;

/** Source positions that one query looks through. */
const WINDOW = 20_000;

/** Positions that may pass without an event to publish before the cursor is written. */
const CURSOR_STRIDE = 20_000;

const NOTHING_READ = { rows: [], limit: 1 };

/** Weight of the last batch in the measured rate. */
const RATE_WEIGHT = 0.1;

export type Step =
  | {
      readonly kind: "projected";
      /** Position in the source up to which it is projected, and the source's head. */
      readonly cursor: number;
      readonly head: number;
      /** Source events a second. */
      readonly rate: number;
      /** How long the database took. */
      readonly writeMs: number;
      readonly building: boolean;
    }
  /** Everything up to `position` is projected, which is where to wait; `unwritten`: the cursor lags behind it. */
  | { readonly kind: "caught-up"; readonly position: number; readonly unwritten: boolean }
  /** Others wrote to the feed, or took it over: look again. */
  | { readonly kind: "outdated" }
  | { readonly kind: "halted"; readonly failure: Failure }
  /** It is being deleted, to begin anew. */
  | { readonly kind: "emptied" }
  | { readonly kind: "gone" };

export interface StepOptions {
  readonly lease: Lease;
  /** Try again what the feed is halted at. */
  readonly retry: boolean;
  /** Write a cursor that lags, though there is nothing to publish. */
  readonly flush: boolean;
}

/** Projects one feed, a batch at a time. It may be dropped between any two writes. */
export interface Projector {
  /** Reads and plans a batch while the one before is being written, and then has it written. */
  step(options: StepOptions): Promise<Step>;
  /** Resolves when nothing is being written. */
  settle(): Promise<void>;
  forget(): void;
}

/** How the writing of a batch ended: null when it was outdated. */
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
  /** Position up to which there is nothing left to project; the cursor is written later. */
  let reached = 0;
  /** Identity of the source that positions were read under; empty: none were. */
  let sourceIdentity = "";
  const batchSize = createBatchSize(batchEvents);
  /** The batch that is being written; what is planned meanwhile rests on it. */
  let flight: Promise<Landed> | null = null;
  let writeMs = 0;

  /** Waits for the batch that is being written; false when it was outdated, and so is what was planned on it. */
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
    reached = 0;
    sourceIdentity = "";
    commits.forget();
  };

  const failureOf = ({ failure: earlier }: FeedRecord, { position, error }: PlanFailure): Failure => ({
    position,
    subject: error.subject,
    message: error.message,
    issues: error.issues,
    since: earlier?.position === position ? earlier.since : new Date(clock.now()).toISOString(),
  });

  const measuredRate = (record: FeedRecord, events: number, startedMs: number) => {
    const rate = (events * 1_000) / Math.max(1, clock.monotonic() - startedMs);
    return record.rate === 0 ? rate : record.rate + RATE_WEIGHT * (rate - record.rate);
  };

  const stepFrom = async (record: FeedRecord, { lease, flush }: StepOptions): Promise<Step> => {
    const startedMs = clock.monotonic();
    const { head, identity } = await readLogState(database, source);
    if (identity !== sourceIdentity && sourceIdentity !== "") {
      // What is known of positions belongs to another history.
      await land();
      forget();
      return { kind: "outdated" };
    }
    sourceIdentity = identity;
    const after = Math.max(record.cursor, reached);
    const upTo = Math.min(head, after + WINDOW);
    const batch = sourceBatch(database, source, upTo - after, (most) =>
      sourceRange(source, feed.source, { after, upTo, limit: most }),
    );
    const { rows, limit } = after < head ? await readBatch(batchSize, batch) : NOTHING_READ;
    const plan = rows.length === 0 ? NOTHING_PUBLISHED : await commits.plan(rows);
    const last = rows.length === limit ? (rows.at(-1)?.position ?? upTo) : upTo;
    const cursor = plan.failure === null ? Math.max(after, last) : plan.failure.position - 1;
    const failure = plan.failure === null ? null : failureOf(record, plan.failure);
    const next: FeedStatus =
      failure !== null ? "halted" : cursor >= head || record.status === "live" ? "live" : "building";

    const changes =
      plan.events.length > 0 || plan.kept.length > 0 || next !== record.status || failure !== null;
    const lags = cursor - record.cursor;
    if (!(await land())) {
      forget();
      return { kind: "outdated" };
    }
    if (!changes && (lags === 0 || (lags < CURSOR_STRIDE && !flush))) {
      reached = cursor;
      return cursor >= head
        ? { kind: "caught-up", position: cursor, unwritten: lags > 0 }
        : { kind: "projected", cursor, head, rate: record.rate, writeMs: 0, building: next === "building" };
    }
    const rate = measuredRate(record, cursor - after, startedMs);
    const advance = { epoch: record.epoch, lease, cursor, status: next, rate };
    flight = commits
      .commit({ ...advance, failure: failure === null ? null : JSON.stringify(failure) }, plan)
      .then(
        (committed) => ({ committed }),
        (error: unknown) => ({ error }),
      );
    // Nothing is left to be planned meanwhile.
    if ((failure !== null || next !== record.status) && !(await land())) {
      forget();
      return { kind: "outdated" };
    }
    reached = cursor;
    known = { ...record, epoch: record.epoch + 1, cursor, status: next, rate, failure };
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
        const { status, failure } = record;
        // What it failed with may quote an event that was erased since.
        if (status === "halted" && failure !== null && !options.retry) {
          if (await isReadable(database, source, failure.position)) return { kind: "halted", failure };
        }
        return await stepFrom(record, options);
      } catch (error) {
        // Whether it was written cannot be told.
        forget();
        throw error;
      }
    },
  };
}
