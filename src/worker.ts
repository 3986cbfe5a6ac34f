// Named, so that no bundler has to find it: the other one is for Node.
import pino from "pino/browser.js";

import { version } from "../package.json" with { type: "json" };
import type { KildeConfig } from "./config/settings.ts";
import { KildeError } from "./core/errors.ts";
import { problemResponse } from "./http/problems.ts";
import { requestIdOf } from "./http/request-id.ts";
import { logDeliveryEvent } from "./server/delivery-events.ts";
import { logFeedEvent } from "./server/feed-events.ts";
import { countCalls } from "./worker/calls.ts";
import { workerClock } from "./worker/clock.ts";
import { openWorkerDatabase, openWorkerReplica } from "./worker/database.ts";
import { type Invocation, KINDS, openInvocation } from "./worker/invocation.ts";
import { createIsolate } from "./worker/isolate.ts";

export { defineConfig } from "./config/define.ts";
export { defineFeed } from "./feed/define.ts";
export type { KildeConfig } from "./config/settings.ts";

/** What this asks of the runtime's context. */
export interface WorkerContext {
  /** Lets the invocation live on after its answer, until the promise is settled. */
  waitUntil(promise: Promise<unknown>): void;
}

export interface WorkerOptions {
  /**
   * Settings by their names in the environment (`KILDE_DATABASE_URL`, ...), for runtimes that do not hand them over
   * with each request, such as Deno. Default: the second argument of `fetch` and `scheduled`.
   */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /**
   * Calls of the database that one invocation may make: subrequests, which the platform limits. Work in the background
   * stops before, and followers are sent away, to come again. Default: 50, what Cloudflare grants everybody; null: no
   * limit.
   */
  readonly databaseCalls?: number | null;
  /** How long work in the background may take after a request, in milliseconds. Default: 20,000; Cloudflare grants 30,000. */
  readonly afterRequestMs?: number;
  /** How long it may take when the schedule calls, in milliseconds. Default: 50,000, for a schedule of once a minute. */
  readonly scheduledMs?: number;
}

/** What a module of a worker exports by default. */
export interface KildeWorker {
  /** Answers a request: the whole HTTP surface. */
  fetch(request: Request, env?: unknown, context?: unknown): Promise<Response>;
  /** Does what is to be done in the background. */
  scheduled(controller?: unknown, env?: unknown, context?: unknown): Promise<void>;
}

/** Cloudflare's default. */
const DATABASE_CALLS = 50;
const AFTER_REQUEST_MS = 20_000;
const SCHEDULED_MS = 50_000;

type Keep = (work: Promise<unknown>) => void;

function isContext(value: unknown): value is WorkerContext {
  return typeof value === "object" && value !== null && "waitUntil" in value;
}

/** Has the runtime finish what was begun. Where there is no context, the process stays up by itself. */
function keeperOf(context: unknown): Keep {
  return isContext(context) ? (work) => context.waitUntil(work) : () => {};
}

/**
 * A worker for Cloudflare, Deno, and what else speaks `fetch`, on a libSQL server. Throws a `ConfigError` or a
 * `FeedDefinitionsError` at once for a configuration that cannot be served.
 *
 * ```ts
 * import config from "./kilde.config.ts";
 * export default createWorker(config);
 * ```
 */
export function createWorker(config: KildeConfig = {}, options: WorkerOptions = {}): KildeWorker {
  const { databaseCalls = DATABASE_CALLS } = options;
  const { afterRequestMs = AFTER_REQUEST_MS, scheduledMs = SCHEDULED_MS } = options;
  const clock = workerClock;
  const isolate = createIsolate(config, clock);
  const logger = pino({ level: config.logLevel ?? "info", base: null, browser: { asObject: true } });

  const open = async (bindings: unknown, keep: Keep): Promise<Invocation> => {
    const configured = isolate.configured(options.env ?? bindings);
    const { databaseUrl: url, databaseAuthToken: authToken, readUrl, limits } = configured.settings;
    const { accessLog, logLevel } = configured.settings;
    logger.level = logLevel;
    const calls = countCalls(databaseCalls);
    const send = (request: Request) => fetch(request);
    const database = openWorkerDatabase({ url, authToken }, calls, send);
    const patience = { clock, waitMs: limits.replicaWaitMs };
    return openInvocation({
      isolate,
      configured,
      registered: await isolate.registered(configured, database),
      database,
      replica:
        readUrl === undefined ? null : openWorkerReplica({ url: readUrl, authToken }, patience, calls, send),
      calls,
      clock,
      version,
      holder: crypto.randomUUID(),
      keep,
      onAccess: accessLog ? (entry) => logger.info(entry, "request") : null,
      onFault: (error, requestId) => logger.error({ err: error, requestId }, "request failed"),
      onFeedEvent: (event) => logFeedEvent(logger, event),
      onDeliveryEvent: (event) => logDeliveryEvent(logger, event),
      onFailure: (work, error) =>
        logger.error({ work, err: error }, "background work failed, and is tried again"),
    });
  };

  return {
    async fetch(request, env, context) {
      const keep = keeperOf(context);
      let invocation: Invocation;
      try {
        invocation = await open(env, keep);
      } catch (error) {
        const requestId = requestIdOf(request.headers);
        logger.error({ err: error, requestId }, "the worker could not start");
        const known =
          error instanceof KildeError ? error : new KildeError("internal", `Request ${requestId} failed`);
        return problemResponse(new URL(request.url).pathname, known, "");
      }
      const response = await invocation.fetch(request);
      const streams = response.headers.get("content-type")?.startsWith("text/event-stream") === true;
      const after = async () => {
        // A stream goes on for as long as its reader, and its sightings with it.
        if (!streams) await invocation.settle();
        const left = invocation.left();
        if (left.length > 0) await invocation.work(left, afterRequestMs);
      };
      keep(after().catch((error: unknown) => logger.error({ err: error }, "background work failed")));
      return response;
    },
    async scheduled(_controller, env, context) {
      try {
        const invocation = await open(env, keeperOf(context));
        await invocation.work(KINDS, scheduledMs);
      } catch (error) {
        // The platform is told as well, and counts it.
        logger.error({ err: error }, "the scheduled call failed");
        throw error;
      }
    },
  };
}
