// The browser's file by name: bundlers may choose the one for Node otherwise.
import pino from "pino/browser.js";

import { version } from "../package.json" with { type: "json" };
import { type ServedDatabase, servedDatabases } from "./config/served.ts";
import type { KildeConfig } from "./config/settings.ts";
import { unknownVariables } from "./config/unknown-variables.ts";
import { KildeError } from "./core/errors.ts";
import { type OptionNames, refuseUnknownOptions } from "./core/known-options.ts";
import { createPipeline } from "./http/pipeline/pipeline.ts";
import { refusingDestination } from "./http/pipeline/refusing-destination.ts";
import { processAdmission } from "./runtime/admission.ts";
import { logDeliveryEvent } from "./runtime/delivery-events.ts";
import { logFeedEvent } from "./runtime/feed-events.ts";
import { SELECT_HEADS } from "./log/read/select-heads.ts";
import { type Calls, countCalls } from "./runtime/worker/call-budget.ts";
import { consoleAssets } from "./runtime/worker/console-assets.ts";
import { workerClock } from "./runtime/worker/clock.ts";
import { openWorkerDatabase, openWorkerReplica } from "./runtime/worker/database.ts";
import { type Invocation, KINDS, openInvocation } from "./runtime/worker/invocation.ts";
import { fromAnywhere } from "./runtime/worker/from-anywhere.ts";
import { type Configured, createIsolate, type Isolate } from "./runtime/worker/isolate.ts";

export { defineConfig } from "./config/define.ts";
export { defineFeed } from "./feeds/define/define.ts";
export type { KildeConfig } from "./config/settings.ts";

/** The part of the runtime's context that a worker uses. */
export interface WorkerContext {
  /** Keeps the invocation alive after its answer, until the promise is settled. */
  waitUntil(promise: Promise<unknown>): void;
}

export interface WorkerOptions {
  /**
   * Settings by their names in the environment (`KILDE_DATABASE_URL`, ...), for runtimes that do not pass them with
   * each request, such as Deno. Default: the second argument of `fetch` and `scheduled`.
   */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /**
   * Calls of the database, and deliveries, that one invocation may make: subrequests, which the platform limits.
   * Before the limit, background work stops, and followers receive the events so far and reconnect. Default: 50,
   * which Cloudflare grants every account; null: no limit.
   */
  readonly databaseCalls?: number | null;
  /** Longest background work after a request, in milliseconds. Default: 20,000; Cloudflare grants 30,000. */
  readonly afterRequestMs?: number;
  /** Longest background work of a scheduled call, in milliseconds. Default: 50,000, for a schedule of once a minute. */
  readonly scheduledMs?: number;
}

/** The default export of a worker's module. */
export interface KildeWorker {
  /** Answers a request of the HTTP API. */
  fetch(request: Request, env?: unknown, context?: unknown): Promise<Response>;
  /** Runs the background work. */
  scheduled(controller?: unknown, env?: unknown, context?: unknown): Promise<void>;
}

const OPTIONS: OptionNames<WorkerOptions> = {
  env: true,
  databaseCalls: true,
  afterRequestMs: true,
  scheduledMs: true,
};

/** Cloudflare's default. */
const DATABASE_CALLS = 50;
const AFTER_REQUEST_MS = 20_000;
const SCHEDULED_MS = 50_000;

type Keep = (work: Promise<unknown>) => void;

function isContext(value: unknown): value is WorkerContext {
  return typeof value === "object" && value !== null && "waitUntil" in value;
}

/**
 * Returns a function that keeps the invocation alive until its work is done. Without a context the process stays up
 * anyway.
 */
function keeperOf(context: unknown): Keep {
  return isContext(context) ? (work) => context.waitUntil(work) : () => {};
}

/** The parts of a worker that its requests share. */
interface WorkerParts {
  readonly isolate: Isolate;
  readonly logger: pino.Logger;
  readonly databaseCalls: number | null;
  /** Returns the settings for the bindings of a request. */
  readonly configuredBy: (bindings: unknown) => Configured;
}

/** The bindings and the context of a call. */
interface CallOptions {
  readonly bindings: unknown;
  readonly keep: Keep;
}

/** Opens the store of a database for one request, or for one run of the schedule. */
async function open(
  { isolate, logger }: WorkerParts,
  served: ServedDatabase,
  configured: Configured,
  calls: Calls,
  { bindings, keep }: CallOptions,
): Promise<Invocation> {
  const { tenant, path = "", databaseUrl: url, readUrl, databaseAuthToken: authToken } = served;
  const { limits, accessLog } = configured.settings;
  const log = tenant === null ? logger : logger.child({ tenant });
  const store = isolate.store(tenant ?? "");
  const send = (request: Request) => fetch(request);
  const database = openWorkerDatabase({ url, authToken }, calls, send);
  const replicaOptions = { clock: workerClock, waitMs: limits.replicaWaitMs, selectHeads: SELECT_HEADS };
  return openInvocation({
    store,
    tenant,
    isSecured: () => isolate.isSecured(),
    basePath: path,
    configured,
    registered: await store.registered(configured, database),
    database,
    replica:
      readUrl === undefined
        ? null
        : openWorkerReplica({ url: readUrl, authToken }, replicaOptions, calls, send),
    calls,
    clock: workerClock,
    version,
    consoleFiles: consoleAssets(bindings),
    holder: crypto.randomUUID(),
    keep,
    onAccess: accessLog ? (entry) => log.info(entry, "request") : null,
    onFault: (error, requestId) => log.error({ err: error, requestId }, "request failed"),
    onFeedEvent: (event) => logFeedEvent(log, event),
    onDeliveryEvent: (event) => logDeliveryEvent(log, event),
    onFailure: (work, error) => log.error({ work, err: error }, "background work failed; retrying"),
  });
}

/** An answer, and the invocation that gave it; null: no store could be opened. */
interface Answered {
  readonly response: Response;
  readonly invocation: Invocation | null;
}

/** Answers a request. */
async function answer(
  parts: WorkerParts,
  request: Request,
  { bindings, keep }: CallOptions,
): Promise<Answered> {
  const { logger, databaseCalls, configuredBy } = parts;
  const opened: { invocation: Invocation | null } = { invocation: null };
  const pipeline = createPipeline({
    clock: workerClock,
    async destinationOf(asked, requestId) {
      let served: ServedDatabase | null = null;
      let corsOrigins: readonly string[] = [];
      let isOpen = false;
      try {
        const configured = configuredBy(bindings);
        corsOrigins = configured.settings.corsOrigin;
        // Others do not learn which tenants there are.
        isOpen =
          processAdmission(configured.settings, false, () => parts.isolate.isSecured()).now() === "open";
        served = configured.databaseFor(asked);
        if (served !== null) {
          const invocation = await open(parts, served, configured, countCalls(databaseCalls), {
            bindings,
            keep,
          });
          opened.invocation = invocation;
          return invocation.destination();
        }
      } catch (error) {
        logger.error({ err: error, requestId, tenant: served?.tenant }, "the worker could not start");
        const refusal =
          error instanceof KildeError ? error : new KildeError("internal", `Request ${requestId} failed`);
        return refusingDestination(
          { basePath: served?.path ?? "", corsOrigins, onAccess: null },
          () => refusal,
        );
      }
      throw isOpen
        ? new KildeError("tenant-not-found", "No tenant is at this host and path")
        : new KildeError("unauthenticated", "No tenant with these credentials is at this host and path", {
            credentials: "missing",
          });
    },
    // The catch above logs a failed start.
    observers: { onAccess: null, onFault: () => {} },
  });
  return { response: await pipeline.fetch(request), ...opened };
}

/** Does the background work of all databases, within the time. Returns the failures. */
async function workOnAll(
  parts: WorkerParts,
  { bindings, keep }: CallOptions,
  milliseconds: number,
): Promise<readonly unknown[]> {
  const { logger, databaseCalls, configuredBy } = parts;
  const failures: unknown[] = [];
  try {
    const configured = configuredBy(bindings);
    const deadline = workerClock.monotonic() + milliseconds;
    const calls = countCalls(databaseCalls);
    const waiting = fromAnywhere(servedDatabases(configured.settings));
    for (let served = waiting.shift(); served !== undefined; served = waiting.shift()) {
      const left = deadline - workerClock.monotonic();
      if (calls.signal.aborted || left <= 0) break;
      try {
        const invocation = await open(parts, served, configured, calls, { bindings, keep });
        // Later tenants get the time that earlier ones leave.
        await invocation.work(KINDS, left / (waiting.length + 1));
      } catch (error) {
        logger.error({ err: error, tenant: served.tenant }, "the scheduled call failed");
        failures.push(error);
      }
    }
  } catch (error) {
    logger.error({ err: error }, "the scheduled call failed");
    failures.push(error);
  }
  return failures;
}

/**
 * Creates a worker for Cloudflare, Deno, and other runtimes with `fetch`, on a libSQL server. Throws a `ConfigError` or a
 * `FeedDefinitionsError` at once for an invalid configuration.
 *
 * @example
 * ```ts
 * import { createWorker, defineConfig } from "kilde/worker";
 *
 * export default createWorker(defineConfig({ feeds: [] }));
 * ```
 */
export function createWorker(config: KildeConfig = {}, options: WorkerOptions = {}): KildeWorker {
  refuseUnknownOptions("createWorker", options, OPTIONS);
  const { databaseCalls = DATABASE_CALLS } = options;
  const { afterRequestMs = AFTER_REQUEST_MS, scheduledMs = SCHEDULED_MS } = options;
  const isolate = createIsolate(config, workerClock);
  const logger = pino({ level: config.logLevel ?? "info", base: null, browser: { asObject: true } });

  let reported: Configured | null = null;
  const configuredBy = (bindings: unknown): Configured => {
    const environment = options.env ?? bindings;
    const configured = isolate.configured(environment);
    logger.level = configured.settings.logLevel;
    if (configured !== reported && typeof environment === "object" && environment !== null) {
      reported = configured;
      for (const text of unknownVariables(environment)) logger.warn(text);
    }
    return configured;
  };
  const parts: WorkerParts = { isolate, logger, databaseCalls, configuredBy };

  /** Does the work that a request left. */
  const workAfter = async (response: Response, invocation: Invocation): Promise<void> => {
    // A stream lasts as long as its reader, and records activity until then.
    const streams = response.headers.get("content-type")?.startsWith("text/event-stream") === true;
    if (!streams) await invocation.settle();
    const left = invocation.left();
    if (left.length > 0) await invocation.work(left, afterRequestMs);
  };

  return {
    async fetch(request, bindings, context) {
      const keep = keeperOf(context);
      const { response, invocation } = await answer(parts, request, { bindings, keep });
      if (invocation === null) return response;
      const work = workAfter(response, invocation);
      keep(work.catch((error: unknown) => logger.error({ err: error }, "background work failed")));
      return response;
    },
    async scheduled(_controller, bindings, context) {
      const failures = await workOnAll(parts, { bindings, keep: keeperOf(context) }, scheduledMs);
      // Thrown as well, so that the platform counts the failure.
      if (failures.length > 0) throw failures[0];
    },
  };
}
