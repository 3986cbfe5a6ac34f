import type { Digest } from "../access/digest.ts";
import { type Access, type AccessDeps, openAccess } from "../access/access.ts";
import { keepLastSeen } from "../administration/objectives/keep-last-seen.ts";
import { OBJECTIVES_BACKOFF } from "../administration/objectives/objectives-job.ts";
import type { Objective } from "../core/objective.ts";
import { EXPIRY_BACKOFF, expiryJob } from "../administration/expiry.ts";
import { type OperationsLog, openOperationsLog } from "../administration/operations-log.ts";
import { recordRemovals } from "../administration/stream-entries.ts";
import {
  createDenialMemory,
  createDenials,
  type DenialMemory,
  type Denials,
} from "../administration/denials.ts";
import type { Clock } from "../core/clock.ts";
import type { Limits } from "../core/limits.ts";
import type { StoreMeasures } from "../core/measures.ts";
import { type Feeds, openFeeds } from "../feeds/feeds.ts";
import type { RegisteredFeed } from "../feeds/lifecycle/register.ts";
import { CLEAR_BACKOFF, clearJob } from "../feeds/lifecycle/clear.ts";
import type { DeliveryPort } from "../http/deps.ts";
import type { Job } from "../jobs/job.ts";
import type { JobFailure, LoopOptions, RunningJob } from "../jobs/loop.ts";
import type { OnReleaseFailure } from "../log/append/stream-cache.ts";
import { type LogNotice, type LogWriter, openLogWriter } from "../log/append/writer.ts";
import { type ActivityRecorder, createActivityRecorder } from "../log/consumers/activity.ts";
import { type CorrelationIndexing, CORRELATIONS_BACKOFF, correlationsJob } from "../log/read/correlations.ts";
import { consumerLagJob, LAG_BACKOFF } from "../log/consumers/lag-history.ts";
import { SWEEP_BACKOFF, sweepJob } from "../log/erase/sweeper.ts";
import type { HeadWatch } from "../log/follow/head-watch.ts";
import { EVENT_LOG_ADDRESS } from "../log/keys.ts";
import type { LogState } from "../log/log-state.ts";
import { type LogReader, type LogReaderDeps, openLogReader } from "../log/read/reader.ts";
import type { Database } from "../storage/database.ts";
import { storeObjectivesJob } from "./objectives.ts";

/** The parts of a store that requests and background work share. */
export interface StoreParts {
  readonly database: Database;
  /** Reads the event log. */
  readonly reader: LogReader;
  readonly writer: LogWriter;
  readonly feeds: Feeds;
  readonly activity: ActivityRecorder;
  /** The keys of the store. */
  readonly access: Access;
  readonly denials: Denials;
  readonly operations: OperationsLog;
  readonly measures: StoreMeasures;
}

/** Projecting and delivering on a platform: by threads, by loops, or by slices after a request. */
export interface Background {
  /** This store appended, truncated or erased events. */
  appended(notice: LogNotice): void;
  /** This store resumed a halted feed. */
  resumed(): void;
  /** This store created or changed a subscription. */
  changed(subscription: string): void;
  /** This store may have added entries to the log of administration. */
  administered(): void;
  close(): Promise<void>;
}

/** For a store whose owner does no background work, or runs it by hand. */
export const NO_BACKGROUND: Background = {
  appended: () => {},
  resumed: () => {},
  changed: () => {},
  administered: () => {},
  close: () => Promise.resolve(),
};

/** The jobs that every store has. */
export type StoreJobKind = "sweep" | "clear" | "expire" | "lag" | "correlate" | "alarm";

/** A job that the platform runs. */
export type StartedJob = Pick<RunningJob, "wake" | "failure" | "close">;

/** The differences between a server, a worker, a process that embeds Kilde, and a test. */
export interface Platform {
  /** A database whose schema is up to date. The caller closes it. */
  readonly database: Database;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly pollIntervalMs: number;
  /** Looks up the heads of all logs of the process together. Default: each reader looks up its own. */
  readonly heads?: HeadWatch;
  /** Reads logs for requests from a replica. Default: from the database. */
  readonly reading?: LogReaderDeps | undefined;
  /** The platform's part of access control. */
  readonly access: Pick<AccessDeps, "digest" | "issuers" | "oidc" | "memory" | "inBackground">;
  /** Counts denials. Default: begins without any. */
  readonly denials?: DenialMemory;
  readonly correlations: CorrelationIndexing;
  /** Counts what the process does for the store. */
  readonly measures: StoreMeasures;
  /** The objectives of the store; null: those that other processes state. */
  readonly objectives: readonly Objective[] | null;
  /** Whether other processes may write to the database. */
  readonly isShared: boolean;
  /** Orders the writes of a process whose requests cannot share a queue. Default: requests share one. */
  readonly orderWrites?: (writer: LogWriter) => LogWriter;
  /** Runs the sweep and the clearing of feeds: a server in loops, which start at once; a worker in slices. */
  readonly startJob: (kind: StoreJobKind, job: Job, backoff: LoopOptions["backoff"]) => StartedJob;
  /** Called when memory could not be released after a load. Default: the process releases none. */
  readonly onReleaseFailure?: OnReleaseFailure;
  /** Opens the platform's part of webhooks. It calls `onChange` with each subscription that a request changed. */
  readonly openDelivery: (onChange: (subscription: string) => void) => DeliveryPort & { close?: () => void };
  /** Starts background work, which calls `onPublished` with each batch that a feed published. */
  readonly startBackground: (
    parts: StoreParts,
    onPublished: (path: string, log: LogState) => void,
  ) => Background;
}

/** A store, ready to be served. */
export interface ComposedStore extends StoreParts {
  /** The failed attempts to delete truncated and erased events; null: the last attempt succeeded. */
  readonly sweepFailure: () => JobFailure | null;
  readonly delivery: DeliveryPort;
  readonly correlations: CorrelationIndexing;
  readonly digest: Digest;
  /** Finishes background work and writes, and ends followers. */
  close(): Promise<void>;
}

/** Opens the keys of a store, which it reads from the primary: a replica could still have those that were revoked. */
function openStoreAccess({ access, database, clock, limits }: Platform, writer: LogWriter): Access {
  const { keys: mostKeys, streamNameBytes: consumerBytes } = limits;
  return openAccess({ ...access, database, clock, writer, mostKeys, consumerBytes });
}

/** Starts the jobs that nothing wakes. */
function startTimedJobs(
  { startJob, limits, correlations, objectives: stated, database, clock }: Platform,
  { writer, operations }: Pick<StoreParts, "writer" | "operations">,
  registered: readonly RegisteredFeed[],
): readonly StartedJob[] {
  const deps = { database, writer, clock };
  const expiring = { ...deps, limits, onTruncated: () => operations.truncated() };
  const jobs = [
    startJob("expire", expiryJob(expiring), EXPIRY_BACKOFF),
    startJob("lag", consumerLagJob(deps), LAG_BACKOFF),
    startJob("alarm", storeObjectivesJob({ ...deps, stated }, registered), OBJECTIVES_BACKOFF),
  ];
  if (correlations !== "off") jobs.push(startJob("correlate", correlationsJob(deps), CORRELATIONS_BACKOFF));
  return jobs;
}

/** Opens the activity recorder, the reader, the writer, feeds and webhooks of one database, and connects them. */
export function composeStore(platform: Platform, registered: readonly RegisteredFeed[]): ComposedStore {
  const { database, clock, limits, pollIntervalMs, heads, reading } = platform;
  const { measures } = platform;
  const own = { database, clock, limits, pollIntervalMs, ...(heads === undefined ? {} : { heads }) };
  let background = NO_BACKGROUND;
  const reader = openLogReader(reading ?? own, EVENT_LOG_ADDRESS);
  const operations = openOperationsLog({ database, reading: reading ?? own });
  const ownWriter = openLogWriter({
    database,
    clock,
    limits,
    measures,
    onNotice(notice) {
      reader.notify(notice);
      background.appended(notice);
    },
    onSweep: () => sweep.wake(),
    recordRemovals,
    onBeside() {
      // Followers look regularly, also after a look that failed.
      operations.look().catch(() => {});
      background.administered();
    },
    onReleaseFailure: platform.onReleaseFailure,
  });
  const writer = platform.orderWrites?.(ownWriter) ?? ownWriter;
  const { isShared } = platform;
  const { consumers: mostConsumers } = limits;
  const beforeForgetting = (log: number) => keepLastSeen(log, mostConsumers);
  const activity = createActivityRecorder({ writer, clock, mostConsumers, beforeForgetting, isShared });
  const opened = openFeeds(
    {
      ...own,
      reading,
      writer,
      flushActivity: () => activity.flushEverywhere(),
      onPaused: (subscription) => background.changed(subscription),
      onClear: () => clear.wake(),
    },
    registered,
  );
  const feeds: Feeds = {
    ...opened,
    async resume(feed, actor) {
      await opened.resume(feed, actor);
      background.resumed();
    },
  };
  const access = openStoreAccess(platform, writer);
  const { denials: memory = createDenialMemory() } = platform;
  const { inBackground } = platform.access;
  const denials = createDenials({ database, writer, clock, memory, inBackground });
  const parts = { database, reader, writer, feeds, activity, access, operations, denials, measures };
  const delivery = platform.openDelivery((subscription) => background.changed(subscription));
  // Last, because no caller could close jobs that run when another part fails to open.
  const sweep = platform.startJob("sweep", sweepJob({ database, writer, clock }), SWEEP_BACKOFF);
  const clear = platform.startJob("clear", clearJob({ database, writer, clock }), CLEAR_BACKOFF);
  const timed = startTimedJobs(platform, parts, registered);
  background = platform.startBackground(parts, (path, log) => opened.notify(path, log));
  return {
    ...parts,
    delivery,
    correlations: platform.correlations,
    digest: platform.access.digest,
    sweepFailure: () => sweep.failure(),
    async close() {
      delivery.close?.();
      await background.close();
      feeds.close();
      for (const job of [clear, ...timed]) await job.close();
      await activity.close();
      await denials.close();
      await access.close();
      await sweep.close();
      await writer.close();
      reader.close();
      operations.close();
    },
  };
}
