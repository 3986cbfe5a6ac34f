import { type Context, type Handler, Hono } from "hono";
import { TrieRouter } from "hono/router/trie-router";

import { KildeError } from "../../core/errors.ts";
import { requireKnown, senderOf } from "./authorization.ts";
import type { RequestContext } from "./pipeline.ts";
import { problemResponse } from "./problems.ts";

/** A router of requests that passed the pipeline. */
export type AppHono = Hono<{ Bindings: RequestContext }>;

/**
 * Creates a router. `brief`: it answers a single request, so that optimizing its routes for many would cost more than
 * it saves.
 */
export function createRouter(brief = false): AppHono {
  return brief ? new Hono({ router: new TrieRouter() }) : new Hono();
}

/**
 * Whether the request is a HEAD. Hono routes HEAD to the handlers of GET and drops their body, so a handler that
 * holds something until its body is read must check this.
 */
export function isHead(c: Context): boolean {
  return c.req.raw.method === "HEAD";
}

/** Wraps the handler of a GET so that it cancels the body of an answer to HEAD; nothing else would. */
function withHead(handler: Handler): Handler {
  return async (c, next) => {
    const response: unknown = await handler(c, next);
    if (!isHead(c) || !(response instanceof Response)) return response as Response;
    await response.body?.cancel();
    return new Response(null, response);
  };
}

export type Methods = Partial<Record<"GET" | "POST" | "PUT" | "PATCH" | "DELETE", Handler>>;

/**
 * Adds resources to an app. Each answers OPTIONS, and refuses methods that it lacks. A sender without credentials does not
 * learn which methods there are.
 */
export function resourcesOf(app: AppHono, basePath: string): (path: string, methods: Methods) => void {
  return (path, methods) => {
    const names = Object.keys(methods);
    const allow = [...names, ...(names.includes("GET") ? ["HEAD"] : []), "OPTIONS"].join(", ");
    for (const [method, handler] of Object.entries(methods)) {
      app.on(method, path, method === "GET" ? withHead(handler) : handler);
    }
    app.all(path, (c) => {
      requireKnown(senderOf(c));
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
