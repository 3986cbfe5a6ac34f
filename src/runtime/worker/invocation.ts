import { markSecured } from "../../access/access-state.ts";
import { webDigest } from "../../access/digest.ts";
import type { Job } from "../../jobs/job.ts";
import type { Clock } from "../../core/clock.ts";
import { UNMEASURED } from "../../core/measures.ts";
import type { DeliveryRunEvent } from "../../webhooks/dispatch/delivery-event.ts";
import { createAddressRules } from "../../webhooks/egress/address-rules.ts";
import type { RegisteredFeed } from "../../feeds/lifecycle/register.ts";
import type { RunEvent } from "../../feeds/project/run.ts";
import { feedsWithWork } from "../../feeds/project/has-work.ts";
import { projectInSlices } from "../../feeds/project/slice.ts";
import { createDeps } from "../../http/app.ts";
import type { Destination, Observers } from "../../http/pipeline/pipeline.ts";
import { forwardedAddress } from "../../http/pipeline/sender-address.ts";
import type { ConsoleFiles } from "../../http/service/console.ts";
import { storeDestination } from "../../http/store-destination.ts";
import type { Database } from "../../storage/database.ts";
import type { LogState } from "../../log/log-state.ts";
import { objectivesOf } from "../../config/objectives.ts";
import { sealWith } from "../../webhooks/signing/configured-seal.ts";
import type { Calls } from "./call-budget.ts";
import { type ComposedStore, composeStore } from "../compose.ts";
import { deliveringWork } from "./deliveries.ts";
import { processAdmission } from "../admission.ts";
import { workerSend } from "./send.ts";
import { fromAnywhere } from "./from-anywhere.ts";
import type { Configured, RememberedStore } from "./isolate.ts";
import { publicLogsOf } from "../public-logs.ts";
import { serializeWrites } from "./write-queue.ts";
import { runSlices } from "../../jobs/slices.ts";

/** Kinds of jobs. */
export const KINDS = ["project", "deliver", "sweep", "clear", "expire", "lag", "correlate", "alarm"] as const;
type Kind = (typeof KINDS)[number];

/** Observers of background work, for the log. */
export interface WorkerEvents extends Observers {
  readonly onFeedEvent: (event: RunEvent) => void;
  readonly onDeliveryEvent: (event: DeliveryRunEvent) => void;
  readonly onFailure: (work: string, error: unknown) => void;
}

export interface InvocationDeps extends WorkerEvents {
  readonly store: RememberedStore;
  /** The tenant whose store it is; null: there are no tenants. */
  readonly tenant: string | null;
  /** Whether a key or issuer has ever existed in a database of this worker, as far as is known. */
  readonly isSecured: () => boolean;
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
  /** The console; null: the worker has no binding with its files. */
  readonly consoleFiles: ConsoleFiles | null;
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
  /** Writes the recorded activity of consumers, and when keys were last used. */
  settle(): Promise<void>;
  /** Runs the jobs of these kinds until nothing is left to do or the time is up. */
  work(kinds: readonly Kind[], milliseconds: number): Promise<void>;
}

/** The store of an invocation, and its work in the background. */
interface InvocationStore {
  readonly composed: ComposedStore;
  /** The jobs that the composition asked this platform to run. */
  readonly jobs: readonly (readonly [Kind, Job])[];
  /** The kinds of jobs that the writes of this invocation require. */
  readonly left: ReadonlySet<Kind>;
}

/** Composes a store that starts no job, and only remembers which kinds its writes require. */
function composeInvocation(deps: InvocationDeps): InvocationStore {
  const { store, configured, registered, database, replica, clock } = deps;
  const { settings } = configured;
  const { limits, pollIntervalMs } = settings;
  const left = new Set<Kind>();
  const leave =
    (...kinds: readonly Kind[]) =>
    () => {
      for (const kind of kinds) left.add(kind);
    };
  const jobs: [Kind, Job][] = [];
  const shared = { database, clock, limits, pollIntervalMs };
  const composed = composeStore(
    {
      ...shared,
      reading: replica === null ? undefined : { ...shared, database: replica },
      access: {
        digest: webDigest,
        issuers: configured.issuers,
        oidc: configured.oidc,
        memory: store.keys,
        inBackground: false,
      },
      denials: store.denials,
      correlations: settings.correlations ? "before-reads" : "off",
      measures: UNMEASURED,
      objectives: objectivesOf(settings.objectives, deps.tenant),
      isShared: true,
      orderWrites: (writer) => serializeWrites(writer, store.turns, deps.keep),
      startJob(kind, job) {
        jobs.push([kind, job]);
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
        administered: leave("deliver"),
        close: () => Promise.resolve(),
      }),
    },
    registered,
  );
  return { composed, jobs, left };
}

function projectionOf(deps: InvocationDeps, { writer, feeds }: ComposedStore, feed: RegisteredFeed): Job {
  const { store, database, clock, holder, onFeedEvent: onEvent } = deps;
  const { path } = feed.feed;
  const retry = !store.retried.has(path);
  const onRetried = () => void store.retried.add(path);
  const onPublished = (published: string, log: LogState) => feeds.notify(published, log);
  return projectInSlices({ database, writer, clock, holder, retry, onRetried, onPublished, onEvent }, feed);
}

/** Up to so many feeds each look for their own work: a look at all of them would cost as much as it saves. */
const FEW_FEEDS = 2;

/** Returns the projections of the feeds that have work. An idle one would take two calls to find out. */
async function projectionsOf(deps: InvocationDeps, composed: ComposedStore): Promise<readonly Job[]> {
  const { registered, database } = deps;
  const feeds = registered.length > FEW_FEEDS ? await feedsWithWork(database, registered) : registered;
  return feeds.map((feed) => projectionOf(deps, composed, feed));
}

/** Returns the jobs of a kind. */
async function jobsOf(
  deps: InvocationDeps,
  { composed, jobs }: InvocationStore,
  kind: Kind,
): Promise<readonly Job[]> {
  const { configured, registered, database, clock, calls, holder, onDeliveryEvent: onEvent } = deps;
  const { writer } = composed;
  if (kind === "project") return projectionsOf(deps, composed);
  if (kind !== "deliver") return jobs.flatMap(([own, job]) => (own === kind ? [job] : []));
  const { settings } = configured;
  return [
    deliveringWork({
      settings,
      database,
      writer,
      clock,
      calls,
      holder,
      publicLogs: publicLogsOf(registered),
      onEvent,
    }),
  ];
}

/** Cloudflare names the client in a header of its own; other platforms are proxies in front. */
function senderAddress(request: Request): string | null {
  return request.headers.get("cf-connecting-ip") ?? forwardedAddress(request);
}

function destinationOf(deps: InvocationDeps, composed: ComposedStore): Destination {
  const { configured, store, calls, clock, version, basePath, consoleFiles, onAccess, onFault } = deps;
  const admission = processAdmission(configured.settings, false, deps.isSecured);
  const { limits, corsOrigin: corsOrigins, environment = null } = configured.settings;
  const options = {
    ...composed,
    limits,
    clock,
    version,
    environment,
    corsOrigins,
    closing: calls.signal,
    onAccess,
    onFault,
    docs: null,
    recentHeads: null,
    consoleFiles,
    compress: false,
    brief: true,
    basePath,
    admission: admission.now,
    addressOf: senderAddress,
    senders: store.senders(limits.requestsPerSecond),
  };
  return storeDestination(options, createDeps(options, configured.schemas));
}

export function openInvocation(deps: InvocationDeps): Invocation {
  const { calls, clock, onFailure } = deps;
  const store = composeInvocation(deps);
  return {
    destination: () => destinationOf(deps, store.composed),
    left: () => KINDS.filter((kind) => store.left.has(kind)),
    async settle() {
      const { activity, access, denials, writer } = store.composed;
      const { known } = deps.store.keys;
      // Another database of this worker has a key: this one is not open again, also in isolates that have not served that one.
      // A failure needs no report: this isolate refuses requests without a key anyway, and tries again with the next one.
      if (known?.isSecured === false && deps.isSecured()) await markSecured(writer).catch(() => {});
      await activity.close();
      await denials.flush();
      await access.settle();
    },
    async work(kinds, milliseconds) {
      const found = await Promise.all(kinds.map((kind) => jobsOf(deps, store, kind)));
      const jobs = fromAnywhere(found.flat());
      const ended = new AbortController();
      const signal = AbortSignal.any([calls.signal, ended.signal]);
      const deadline = clock.monotonic() + milliseconds;
      const timer = clock.sleep(milliseconds, ended.signal).then(() => ended.abort());
      const share = (parts: number) => calls.share(parts);
      await runSlices(jobs, { deadline, signal }, { clock, share, onFailure });
      ended.abort();
      await timer;
    },
  };
}
