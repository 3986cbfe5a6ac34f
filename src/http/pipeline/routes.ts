import { type Context, type Handler, Hono } from "hono";
import { TrieRouter } from "hono/router/trie-router";

import type { Clock } from "../../core/clock.ts";
import { KildeError } from "../../core/errors.ts";
import { problemResponse } from "./problems.ts";
import { REQUEST_ID_HEADER, requestIdOf } from "./request-id.ts";

/** What is known of a request when it was answered, for the access log. */
export interface AccessEntry {
  readonly requestId: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** Until the answer began, in milliseconds. */
  readonly durationMs: number;
}

export type OnAccess = ((entry: AccessEntry) => void) | null;

export type AppHono = Hono<{ Variables: { requestId: string } }>;

export interface ObservedOptions {
  readonly clock: Clock;
  readonly onAccess: OnAccess;
  /** Whether it answers a single request: its routes are not made ready for many. Default: false. */
  readonly brief?: boolean;
}

/** A Hono app without routes, whose answers carry the request's id, say how they may be cached, and go to the access log. */
export function observedApp({ clock, onAccess, brief }: ObservedOptions): AppHono {
  const app: AppHono = brief === true ? new Hono({ router: new TrieRouter() }) : new Hono();
  app.use(async (c, next) => {
    c.set("requestId", requestIdOf(c.req.raw.headers));
    await next();
    const { headers } = c.res;
    headers.set(REQUEST_ID_HEADER, c.get("requestId"));
    // Caches may judge for themselves how long an answer is good that says nothing.
    if (!headers.has("cache-control")) headers.set("Cache-Control", "no-cache");
  });
  if (onAccess !== null) {
    app.use(async (c, next) => {
      const started = clock.monotonic();
      await next();
      onAccess({
        requestId: c.get("requestId"),
        method: c.req.method,
        path: c.req.path,
        status: c.res.status,
        durationMs: Math.round(clock.monotonic() - started),
      });
    });
  }
  return app;
}

/**
 * Whether only the headers of an answer are asked for. Hono routes HEAD to the handlers of GET and drops the body that they
 * give; a handler that would hold something until its body was read must look.
 */
export function isHead(c: Context): boolean {
  return c.req.raw.method === "HEAD";
}

/** The handler of a GET, which lets go of the body of an answer to HEAD: nobody else would. */
function withHead(handler: Handler): Handler {
  return async (c, next) => {
    const response: unknown = await handler(c, next);
    if (!isHead(c) || !(response instanceof Response)) return response as Response;
    await response.body?.cancel();
    return new Response(null, response);
  };
}

export type Methods = Partial<Record<"GET" | "POST" | "PUT" | "PATCH" | "DELETE", Handler>>;

/** Adds resources to an app: OPTIONS is answered, and other methods than theirs are refused. */
export function resourcesOf(app: AppHono, basePath: string): (path: string, methods: Methods) => void {
  return (path, methods) => {
    const names = Object.keys(methods);
    const allow = [...names, ...(names.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
    for (const [method, handler] of Object.entries(methods)) {
      app.on(method, path, method === "GET" ? withHead(handler) : handler);
    }
    app.all(path, (c) => {
      const { method, path: asked } = c.req;
      const response =
        method === "OPTIONS"
          ? new Response(null, { status: 204 })
          : problemResponse(
              asked,
              new KildeError("method-not-allowed", `${method} ${basePath}${asked}`),
              basePath,
            );
      response.headers.set("Allow", allow);
      return response;
    });
  };
}
