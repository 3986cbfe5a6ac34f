import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context, Handler } from "hono";
import { compress } from "hono/compress";
import { cors } from "hono/cors";
import { requestId } from "hono/request-id";

import type { Clock } from "../core/clock.ts";
import { KildeError } from "../core/errors.ts";
import { asyncApiDocument } from "../feed/asyncapi.ts";
import type { Limits } from "../core/limits.ts";
import type { Feeds } from "../feed/feeds.ts";
import type { LogReader } from "../log/reader.ts";
import type { LogWriter } from "../log/writer.ts";
import { postStream, postTransaction } from "./append.ts";
import type { AppDeps } from "./deps.ts";
import { type Docs, docsPage } from "./docs.ts";
import {
  deprecation,
  FEED_PATH,
  getFeed,
  getFeeds,
  getFeedSchemas,
  getFeedStatus,
  getFeedSubject,
  getFeedSubjects,
  resumeFeed,
} from "./feeds.ts";
import { countFollowers } from "./followers.ts";
import { openApiDocument, operations } from "./operations.ts";
import { queryOf, readLog } from "./pages.ts";
import { problemResponse } from "./problems.ts";
import { createSchemas } from "./schemas.ts";
import { getProblem, getReady } from "./service.ts";
import { subjectNameOf } from "./stream-name.ts";
import { deleteStream, listing } from "./streams.ts";

/** What is known of a request when it was answered, for the access log. */
export interface AccessEntry {
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** Until the answer began, in milliseconds. */
  readonly durationMs: number;
}

export interface AppOptions {
  readonly reader: LogReader;
  readonly writer: LogWriter;
  readonly feeds: Feeds;
  readonly limits: Limits;
  readonly clock: Clock;
  /** Version of the program, as /health tells it. */
  readonly version: string;
  /** Origins that browsers may call from; `["*"]` for all, none for no CORS headers. */
  readonly corsOrigins: readonly string[];
  /** Aborts when the server begins to shut down. */
  readonly closing: AbortSignal;
  readonly onAccess: ((entry: AccessEntry) => void) | null;
  /** Told of what should not happen; the caller only sees `internal` and the request's id. */
  readonly onFault: (error: unknown, requestId: string) => void;
  /** Files of the documentation browser; null where they cannot be served from here. */
  readonly docs: Docs | null;
}

const EXPOSED_HEADERS = [
  "ETag",
  "Deprecation",
  "Link",
  "Location",
  "Retry-After",
  "Sunset",
  "Kilde-Head",
  "X-Request-Id",
  "Idempotency-Replayed",
];

function kildeErrorOf(error: unknown): KildeError | null {
  return error instanceof KildeError ? error : null;
}

/** Answers that may be large. Compressing the others would cost more than it saves. */
const COMPRESSIBLE = [
  "/events",
  "/streams",
  "/streams/:stream",
  "/feeds",
  FEED_PATH,
  `${FEED_PATH}/subjects`,
  `${FEED_PATH}/subjects/:subject`,
  `${FEED_PATH}/schemas`,
  "/openapi.json",
  "/asyncapi.json",
  "/docs/:file",
];

/** The HTTP surface of the event log, as a Hono app: serve it, or mount it under a path of another. */
export function createApp(options: AppOptions): OpenAPIHono {
  const { reader, writer, feeds, limits, clock, version, corsOrigins, closing, onAccess, onFault, docs } =
    options;
  const schemas = createSchemas(limits);
  const followers = countFollowers(limits.followers);
  const deps: AppDeps = { reader, writer, feeds, limits, clock, schemas, followers, closing };
  const app = new OpenAPIHono();

  app.use(requestId());
  if (onAccess !== null) {
    app.use(async (c, next) => {
      const started = clock.now();
      await next();
      onAccess({
        requestId: c.get("requestId"),
        method: c.req.method,
        path: c.req.path,
        status: c.res.status,
        durationMs: clock.now() - started,
      });
    });
  }
  if (corsOrigins.length > 0) {
    app.use(cors({ origin: [...corsOrigins], exposeHeaders: EXPOSED_HEADERS }));
  }
  const compressed = compress();
  for (const path of COMPRESSIBLE) app.get(path, compressed);

  app.use(`${FEED_PATH}/*`, deprecation(deps));

  app.onError((error, c) => {
    const known = kildeErrorOf(error);
    if (known?.code === "storage-unavailable" || known === null) onFault(error, c.get("requestId"));
    return problemResponse(c, known ?? new KildeError("internal", `Request ${c.get("requestId")} failed`));
  });
  app.notFound((c) => problemResponse(c, new KildeError("not-found", `There is nothing at ${c.req.path}`)));

  for (const operation of operations(schemas)) app.openAPIRegistry.registerPath(operation);

  const resource = (path: string, methods: Partial<Record<"GET" | "POST" | "DELETE", Handler>>) => {
    const names = Object.keys(methods);
    const allow = [...names, ...(names.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
    for (const [method, handler] of Object.entries(methods)) app.on(method, path, handler);
    app.all(path, (c) => {
      c.header("Allow", allow);
      if (c.req.method === "OPTIONS") return c.body(null, 204);
      return problemResponse(c, new KildeError("method-not-allowed", `${c.req.method} ${c.req.path}`));
    });
  };

  resource("/streams", { GET: (c) => listing(c, deps, reader, "stream") });
  resource("/streams/:stream", {
    GET: (c) => readLog(c, deps, reader, subjectNameOf(c, deps), queryOf(c, schemas.streamQuery)),
    POST: (c) => postStream(c, deps),
    DELETE: (c) => deleteStream(c, deps),
  });
  resource("/transactions", { POST: (c) => postTransaction(c, deps) });
  resource("/events", { GET: (c) => readLog(c, deps, reader, null, queryOf(c, schemas.logQuery)) });
  resource("/feeds", { GET: (c) => getFeeds(c, deps) });
  resource(FEED_PATH, { GET: (c) => getFeed(c, deps) });
  resource(`${FEED_PATH}/subjects`, { GET: (c) => getFeedSubjects(c, deps) });
  resource(`${FEED_PATH}/subjects/:subject`, { GET: (c) => getFeedSubject(c, deps) });
  resource(`${FEED_PATH}/status`, { GET: (c) => getFeedStatus(c, deps) });
  resource(`${FEED_PATH}/schemas`, { GET: (c) => getFeedSchemas(c, deps) });
  resource(`${FEED_PATH}/resume`, { POST: (c) => resumeFeed(c, deps) });
  resource("/health", { GET: (c) => c.json({ status: "ok", version }) });
  resource("/ready", { GET: (c) => getReady(c, deps) });
  resource("/problems/:code", { GET: getProblem });
  resource("/openapi.json", { GET: (c) => c.json(openApiDocument(app, version) as object) });
  resource("/asyncapi.json", {
    GET: (c) => {
      const url = c.req.url.slice(0, c.req.url.lastIndexOf("/asyncapi.json"));
      return c.json(
        asyncApiDocument(
          feeds.all.map(({ feed }) => feed),
          { version, url },
        ),
        200,
      );
    },
  });
  resource("/", { GET: (c: Context) => c.json(index(version)) });
  if (docs !== null) {
    resource("/docs", { GET: (c) => c.html(docsPage()) });
    resource("/docs/:file", {
      GET: (c) => {
        const file = docs[c.req.param("file") ?? ""];
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

function index(version: string) {
  return {
    name: "kilde",
    version,
    links: {
      events: "/events",
      streams: "/streams",
      stream: "/streams/{stream}",
      transactions: "/transactions",
      feeds: "/feeds",
      openapi: "/openapi.json",
      asyncapi: "/asyncapi.json",
      docs: "/docs",
      health: "/health",
      ready: "/ready",
    },
  };
}
