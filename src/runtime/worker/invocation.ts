import type { Job } from "../../jobs/job.ts";
import type { Clock } from "../../core/clock.ts";
import type { DeliveryRunEvent } from "../../webhooks/dispatch/delivery-event.ts";
import { createAddressRules } from "../../webhooks/egress/address-rules.ts";
import type { RegisteredFeed } from "../../feeds/lifecycle/register.ts";
import type { RunEvent } from "../../feeds/project/run.ts";
import { projectInSlices } from "../../feeds/project/slice.ts";
import { createDeps } from "../../http/app.ts";
import type { Destination, Observers } from "../../http/pipeline/pipeline.ts";
import { storeDestination } from "../../http/store-destination.ts";
import type { Database } from "../../storage/database.ts";
import type { LogState } from "../../log/log-state.ts";
import { sealWith } from "../../webhooks/signing/configured-seal.ts";
import type { Calls } from "./call-budget.ts";
import { composeStore } from "../compose.ts";
import { deliveringWork } from "./deliveries.ts";
import { workerSend } from "./send.ts";
import { fromAnywhere } from "./from-anywhere.ts";
import type { Configured, RememberedStore } from "./isolate.ts";
import { serializeWrites } from "./write-queue.ts";
import { runSlices } from "../../jobs/slices.ts";

/** Kinds of jobs. */
export const KINDS = ["project", "deliver", "sweep", "clear"] as const;
type Kind = (typeof KINDS)[number];

/** Observers of background work, for the log. */
export interface WorkerEvents extends Observers {
  readonly onFeedEvent: (event: RunEvent) => void;
  readonly onDeliveryEvent: (event: DeliveryRunEvent) => void;
  readonly onFailure: (work: string, error: unknown) => void;
}

export interface InvocationDeps extends WorkerEvents {
  readonly store: RememberedStore;
  /** Path under which the store is served; empty at the root. */
  readonly basePath: string;
  readonly configured: Configured;
  readonly registered: readonly RegisteredFeed[];
  readonly database: Database;
  /** The replica that requests read logs from; null: they read from the database. */
  readonly replica: Database | null;
  readonly calls: Calls;
  readonly clock: Clock;
  readonly version: string;
  /** Name of this invocation in leases. */
  readonly holder: string;
  /** Keeps the invocation alive until the work is done, even when the client is gone or has its answer. */
  readonly keep: (work: Promise<unknown>) => void;
}

/**
 * Serves one request, or one run of the schedule. In these runtimes a connection, a timer or a promise belongs to the
 * request that made it, and is cut off when that request ends. So invocations share nothing that waits: each has its
 * own client of the database, its own queue of commits and its own look at the head.
 */
export interface Invocation {
  /** Returns the destination of the request. */
  destination(): Destination;
  /** Returns the kinds of jobs that the writes of this invocation require. */
  left(): readonly Kind[];
  /** Writes the recorded activity of consumers. */
  settle(): Promise<void>;
  /** Runs the jobs of these kinds until nothing is left to do or the time is up. */
  work(kinds: readonly Kind[], milliseconds: number): Promise<void>;
}

export function openInvocation(deps: InvocationDeps): Invocation {
  const { store, configured, registered, database, replica, calls, clock, version, holder } = deps;
  const { settings, schemas } = configured;
  const { limits, pollIntervalMs } = settings;
  const left = new Set<Kind>();
  const leave =
    (...kinds: readonly Kind[]) =>
    () => {
      for (const kind of kinds) left.add(kind);
    };
  /** Jobs that the composition asked this platform to run. */
  const storeJobs: [Kind, Job][] = [];
  const shared = { database, clock, limits, pollIntervalMs };
  const composed = composeStore(
    {
      ...shared,
      reading: replica === null ? undefined : { ...shared, database: replica },
      isShared: true,
      orderWrites: (writer) => serializeWrites(writer, store.turns, deps.keep),
      startJob(kind, job) {
        storeJobs.push([kind, job]);
        return { wake: leave(kind), failure: () => null, close: () => Promise.resolve() };
      },
      openDelivery: (onChange) => ({
        seal: sealWith(settings.secretKeys),
        egress: () =>
          Promise.resolve({
            rules: createAddressRules(settings.egressAllow),
            send: workerSend(settings, clock),
          }),
        onChange,
      }),
      startBackground: () => ({
        appended: leave("project", "deliver"),
        resumed: leave("project"),
        changed: leave("deliver"),
        close: () => Promise.resolve(),
      }),
    },
    registered,
  );
  const { writer, feeds, activity } = composed;

  const projectionOf = (feed: RegisteredFeed): Job => {
    const retry = !store.retried.has(feed.feed.path);
    const onRetried = () => void store.retried.add(feed.feed.path);
    const { onFeedEvent: onEvent } = deps;
    const onNews = (path: string, log: LogState) => feeds.learn(path, log);
    return projectInSlices({ database, writer, clock, holder, retry, onRetried, onNews, onEvent }, feed);
  };
  const jobsOf = (kind: Kind): readonly Job[] => {
    if (kind === "project") return registered.map(projectionOf);
    if (kind !== "deliver") return storeJobs.flatMap(([own, job]) => (own === kind ? [job] : []));
    const { onDeliveryEvent: onEvent } = deps;
    return [deliveringWork({ settings, database, writer, clock, calls, holder, onEvent })];
  };

  const destination = () => {
    const options = {
      ...composed,
      limits,
      clock,
      version,
      corsOrigins: settings.corsOrigin,
      closing: calls.signal,
      onAccess: deps.onAccess,
      onFault: deps.onFault,
      docs: null,
      compress: false,
      brief: true,
      basePath: deps.basePath,
    };
    return storeDestination(options, createDeps(options, schemas));
  };

  return {
    destination,
    left: () => KINDS.filter((kind) => left.has(kind)),
    settle: () => activity.close(),
    async work(kinds, milliseconds) {
      const ended = new AbortController();
      const over = AbortSignal.any([calls.signal, ended.signal]);
      const deadline = clock.monotonic() + milliseconds;
      const timer = clock.sleep(milliseconds, ended.signal).then(() => ended.abort());
      const chosen = fromAnywhere(kinds.flatMap(jobsOf));
      const { onFailure } = deps;
      const share = (parts: number) => calls.share(parts);
      await runSlices(chosen, { deadline, signal: over }, { clock, share, onFailure });
      ended.abort();
      await timer;
    },
  };
}
