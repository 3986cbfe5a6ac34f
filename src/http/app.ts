import type { Context } from "hono";
import { compress } from "hono/compress";
import { cors } from "hono/cors";

import { createByteBudget } from "../core/byte-budget.ts";
import type { Clock } from "../core/clock.ts";
import { KildeError } from "../core/errors.ts";
import type { Limits } from "../core/limits.ts";
import { createTimeSlices } from "../core/time-slices.ts";
import type { Feed } from "../feeds/feed.ts";
import type { LogReader } from "../log/read/reader.ts";
import { getAppend, postStream, postTransaction } from "./streams/append.ts";
import { deleteConsumer, getConsumer, getConsumers, putConsumer } from "./consumers/consumers.ts";
import { corsPolicy } from "./pipeline/cross-site.ts";
import type { AppDeps } from "./deps.ts";
import { type Docs, docsPage } from "./service/docs.ts";
import {
  deleteFeed,
  deprecation,
  existingFeed,
  FEED_PATH,
  getFeed,
  getFeeds,
  getFeedSchemas,
  getFeedStatus,
  getFeedSubject,
  getFeedSubjects,
  rebuildDraft,
  resumeFeed,
} from "./feeds/feeds.ts";
import { createFollowers } from "./log/followers.ts";
import { LOG_HEADER } from "./log/log-identity.ts";
import { END_HEADER } from "./log/page-response.ts";
import { queryOf, readLog } from "./log/pages.ts";
import { type ParseLarge, parseLargeHere } from "./wire/parsing.ts";
import { POSITION_HEADER } from "./log/position.ts";
import { failureResponse } from "./pipeline/failures.ts";
import type { Observers } from "./pipeline/pipeline.ts";
import { REQUEST_ID_HEADER } from "./pipeline/request-id.ts";
import { type AppHono, createRouter, resourcesOf } from "./pipeline/routes.ts";
import { createSchemas, type RequestSchemas } from "./openapi/schemas.ts";
import { SUBSCRIPTION_PATH, subscriptionHandlers } from "./subscriptions/handlers.ts";
import { getProblem, getReady } from "./service/service.ts";
import { subjectNameOf } from "./streams/stream-name.ts";
import { deleteStream, listing } from "./streams/streams.ts";

export interface AppOptions
  extends
    Omit<AppDeps, "schemas" | "followers" | keyof Budgets | "parseLarge" | "basePath" | "compress">,
    Observers {
  /** Bounds bytes together with other stores of the process. Default: this store's own. */
  readonly budgets?: Budgets;
  /** Reads large bodies. Default: in this thread. */
  readonly parseLarge?: ParseLarge;
  /** Default: it is served at the root. */
  readonly basePath?: string;
  /** Version of the program, as /health tells it. */
  readonly version: string;
  /** Origins that browsers may call from; `*`: pages of all origins may read. None: no CORS headers. */
  readonly corsOrigins: readonly string[];
  /** Files of the documentation browser; null where they cannot be served from here. */
  readonly docs: Docs | null;
  /**
   * Whether large answers are compressed here. Not where the platform does it: Cloudflare's takes what is said to be
   * compressed for what it is to compress. Default: true.
   */
  readonly compress?: boolean;
  /** Whether it answers a single request: its routes are not prepared for many. Default: false. */
  readonly brief?: boolean;
}

const EXPOSED_HEADERS = [
  "ETag",
  "Deprecation",
  "Link",
  "Location",
  "Retry-After",
  "Sunset",
  "Kilde-Head",
  END_HEADER,
  LOG_HEADER,
  POSITION_HEADER,
  REQUEST_ID_HEADER,
  "Idempotency-Replayed",
];

/** Answers that may be large, besides pages. Compressing the others would cost more than it saves. */
const COMPRESSIBLE = [
  "/streams",
  "/feeds",
  `${FEED_PATH}/subjects`,
  `${FEED_PATH}/schemas`,
  "/openapi.json",
  "/asyncapi.json",
  "/docs/:file",
];

/** What requests and answers may take of a process. */
export type Budgets = Pick<AppDeps, "bodies" | "answers" | "parseSlices">;

export function createBudgets(limits: Limits, clock: Clock, closing: AbortSignal): Budgets {
  const { bodiesBytes, bodyTimeoutMs, answersBytes, answerTimeoutMs } = limits;
  return {
    bodies: createByteBudget({ clock, closing, mostBytes: bodiesBytes, stillMs: bodyTimeoutMs }),
    answers: createByteBudget({ clock, closing, mostBytes: answersBytes, stillMs: answerTimeoutMs }),
    parseSlices: createTimeSlices(clock),
  };
}

/** `schemas`: made before, for the same limits; they take longer to make than all the rest. */
export function createDeps(
  { limits, ...options }: AppOptions,
  schemas: RequestSchemas = createSchemas(limits),
): AppDeps {
  const { basePath = "", compress: compresses = true, clock, closing } = options;
  const followers = createFollowers({ clock, closing, most: limits.followers });
  const budgets = options.budgets ?? createBudgets(limits, clock, closing);
  const { parseLarge = parseLargeHere({ limits, schemas }, clock) } = options;
  const shared = { ...budgets, parseLarge };
  return { ...options, ...shared, basePath, compress: compresses, limits, schemas, followers };
}

/** The HTTP surface of the event log, as a Hono app: serve it, or mount it under a path of another. */
export function createApp(options: AppOptions, deps = createDeps(options)): AppHono {
  const { reader, version, corsOrigins, docs } = options;
  const { schemas, basePath } = deps;
  const app = createRouter(options.brief);
  if (corsOrigins.length > 0) {
    app.use(cors({ ...corsPolicy(corsOrigins), exposeHeaders: EXPOSED_HEADERS }));
  }
  if (deps.compress) {
    const compressed = compress();
    for (const path of COMPRESSIBLE) app.get(path, compressed);
  }

  app.use(`${FEED_PATH}/*`, deprecation(deps));

  app.onError((error, { req: { path }, env: { requestId } }) =>
    failureResponse(error, { requestId, path, basePath, onFault: options.onFault }),
  );
  app.notFound(({ req: { path } }) => {
    throw new KildeError("not-found", `There is nothing at ${basePath}${path}`);
  });

  const resource = resourcesOf(app, basePath);
  const subscriptions = subscriptionHandlers(deps);

  resource("/streams", { GET: (c) => listing(c, deps, reader, "stream") });
  resource("/streams/:stream", {
    GET: (c) => readLog(c, deps, reader, subjectNameOf(c, deps), queryOf(c, schemas.streamQuery)),
    POST: (c) => postStream(c.req.raw, c.req.param("stream") ?? "", deps),
    DELETE: (c) => deleteStream(c, deps),
  });
  resource("/transactions", { POST: (c) => postTransaction(c.req.raw, deps) });
  resource("/appends/:idempotencyKey", { GET: (c) => getAppend(c.req.param("idempotencyKey") ?? "", deps) });
  resource("/events", { GET: (c) => readLog(c, deps, reader, null, queryOf(c, schemas.logQuery)) });
  const consumersAt = (path: string, logOf: (c: Context) => Promise<LogReader>) => {
    resource(`${path}/consumers`, { GET: (c) => logOf(c).then((log) => getConsumers(c, deps, log)) });
    resource(`${path}/consumers/:consumer`, {
      GET: (c) => logOf(c).then((log) => getConsumer(c, deps, log)),
      PUT: (c) => logOf(c).then((log) => putConsumer(c, deps, log)),
      DELETE: (c) => logOf(c).then((log) => deleteConsumer(c, deps, log)),
    });
  };
  consumersAt("/events", () => Promise.resolve(reader));
  consumersAt(FEED_PATH, async (c) => (await existingFeed(c, deps)).reader);
  resource("/feeds", { GET: (c) => getFeeds(c, deps) });
  resource(FEED_PATH, { GET: (c) => getFeed(c, deps), DELETE: (c) => deleteFeed(c, deps) });
  resource(`${FEED_PATH}/subjects`, { GET: (c) => getFeedSubjects(c, deps) });
  resource(`${FEED_PATH}/subjects/:subject`, { GET: (c) => getFeedSubject(c, deps) });
  resource(`${FEED_PATH}/status`, { GET: (c) => getFeedStatus(c, deps) });
  resource(`${FEED_PATH}/schemas`, { GET: (c) => getFeedSchemas(c, deps) });
  resource(`${FEED_PATH}/rebuild`, { POST: (c) => rebuildDraft(c, deps) });
  resource(`${FEED_PATH}/resume`, { POST: (c) => resumeFeed(c, deps) });
  resource("/subscriptions", {
    GET: subscriptions("getSubscriptions"),
    POST: subscriptions("postSubscription"),
  });
  resource(SUBSCRIPTION_PATH, {
    GET: subscriptions("getSubscription"),
    PATCH: subscriptions("patchSubscription"),
    DELETE: subscriptions("deleteSubscription"),
  });
  resource(`${SUBSCRIPTION_PATH}/pause`, { POST: subscriptions("pauseSubscription") });
  resource(`${SUBSCRIPTION_PATH}/resume`, { POST: subscriptions("resumeSubscription") });
  resource(`${SUBSCRIPTION_PATH}/rewind`, { POST: subscriptions("rewindSubscription") });
  resource(`${SUBSCRIPTION_PATH}/test`, { POST: subscriptions("testSubscription") });
  resource(`${SUBSCRIPTION_PATH}/rotate-secret`, { POST: subscriptions("rotateSecret") });
  resource(`${SUBSCRIPTION_PATH}/attempts`, { GET: subscriptions("getAttempts") });
  resource(`${SUBSCRIPTION_PATH}/skips`, { GET: subscriptions("getSkips") });
  resource(`${SUBSCRIPTION_PATH}/blocked`, { GET: subscriptions("getBlocked") });
  resource(`${SUBSCRIPTION_PATH}/blocked/:subject/retry`, { POST: subscriptions("retryBlockedSubject") });
  resource(`${SUBSCRIPTION_PATH}/blocked/:subject/skip`, { POST: subscriptions("skipBlockedEvent") });
  resource("/health", { GET: (c) => c.json({ status: "ok", version }) });
  resource("/ready", { GET: (c) => getReady(c, deps) });
  resource("/metrics", {
    GET: async () => {
      const { metricsAnswer, metricsOf } = await import("./service/metrics.ts");
      return metricsAnswer(await metricsOf([{ labels: {}, deps }]));
    },
  });
  resource("/problems/:code", { GET: getProblem });
  let openApi: Promise<string> | null = null;
  const openApiText = async () => {
    // Loaded when it is asked for: it takes as long as all the rest of starting.
    const { openApiDocument } = await import("./openapi/operations.ts");
    return JSON.stringify(openApiDocument(deps, version));
  };
  resource("/openapi.json", {
    GET: async (c) => {
      // The document is large, and always the same.
      openApi ??= openApiText();
      return c.body(await openApi, 200, { "Content-Type": "application/json" });
    },
  });
  resource("/asyncapi.json", {
    GET: async (c) => {
      const { asyncApiDocument } = await import("../feeds/contract/asyncapi.ts");
      const url = new URL(c.req.url).origin + basePath;
      return c.json(asyncApiDocument(await describedFeeds(deps), { version, url }), 200);
    },
  });
  resource("/", { GET: (c: Context) => c.json(index(version, basePath, docs !== null)) });
  if (docs !== null) {
    resource("/docs", { GET: (c) => c.html(docsPage()) });
    resource("/docs/:file", {
      GET: (c) => {
        const name = c.req.param("file") ?? "";
        const file = Object.hasOwn(docs, name) ? docs[name] : undefined;
        if (file === undefined) throw new KildeError("not-found", `There is nothing at ${c.req.path}`);
        return c.body(file.body(), 200, {
          "Content-Type": file.mediaType,
          "Cache-Control": "public, max-age=86400",
        });
      },
    });
  }
  return app;
}

/** The feeds that can be read, with the schemas that consumers may rely on now: another process may have published by others. */
async function describedFeeds({ feeds }: AppDeps): Promise<Feed[]> {
  const described = feeds.all.map(async (open) =>
    (await feeds.isServed(open)) ? [{ ...open.feed, schemas: await feeds.schemas(open) }] : [],
  );
  return (await Promise.all(described)).flat();
}

function index(version: string, basePath: string, hasDocs: boolean) {
  const links = {
    events: "/events",
    streams: "/streams",
    stream: "/streams/{stream}",
    transactions: "/transactions",
    append: "/appends/{idempotencyKey}",
    feeds: "/feeds",
    subscriptions: "/subscriptions",
    openapi: "/openapi.json",
    asyncapi: "/asyncapi.json",
    ...(hasDocs ? { docs: "/docs" } : {}),
    health: "/health",
    ready: "/ready",
    metrics: "/metrics",
  };
  const absolute = Object.entries(links).map(([name, path]) => [name, basePath + path]);
  return { name: "kilde", version, links: Object.fromEntries(absolute) as Record<string, string> };
}
