import type { Context, MiddlewareHandler } from "hono";

import { KildeError } from "../../core/errors.ts";

/** Methods that may change something (RFC 9110 §9.2.1). */
export const UNSAFE_METHODS = ["POST", "PUT", "PATCH", "DELETE"];

/**
 * Whether a page of another origin had a browser send a request. Browsers say so in `Sec-Fetch-Site` (W3C Fetch
 * Metadata §2.3), older ones name the page in `Origin` (RFC 6454 §7); programs send neither.
 */
function isCrossOrigin({ req }: Context): boolean {
  const site = req.header("sec-fetch-site");
  if (site !== undefined) return site !== "same-origin" && site !== "none";
  const origin = req.header("origin");
  return origin !== undefined && URL.parse(origin)?.host !== new URL(req.url).host;
}

const READING = ["GET", "HEAD"];

/** The option of `corsOrigin` that lets pages of all origins read, and none change anything that is not named too. */
const EVERY_ORIGIN = "*";

/** What hono's `cors` tells browsers: origins that are named may call, and with `*` all others may read. */
export function corsPolicy(corsOrigins: readonly string[]): {
  origin: "*" | string[] | ((origin: string) => string);
  allowMethods: (origin: string) => string[];
} {
  const named = corsOrigins.filter((origin) => origin !== EVERY_ORIGIN);
  const allowMethods = (origin: string) =>
    named.includes(origin) ? [...READING, ...UNSAFE_METHODS] : READING;
  if (named.length === corsOrigins.length) return { origin: named, allowMethods };
  if (named.length === 0) return { origin: EVERY_ORIGIN, allowMethods };
  return { origin: (origin) => (named.includes(origin) ? origin : EVERY_ORIGIN), allowMethods };
}

/**
 * Refuses what a page of an origin that is not named has a browser send, for methods that may change something. A
 * browser asks beforehand (CORS) whether it may send JSON, but sends a POST without a body unasked. `*` names no origin:
 * else any page could change what is stored.
 */
export function refuseCrossSite(corsOrigins: readonly string[]): MiddlewareHandler {
  return (c, next) => {
    const origin = c.req.header("origin");
    const isNamed = origin !== undefined && origin !== EVERY_ORIGIN && corsOrigins.includes(origin);
    if (isNamed || !isCrossOrigin(c)) return next();
    throw new KildeError(
      "cross-site-request",
      `A page of ${origin ?? "another origin"} may not have a browser send ${c.req.method} ${c.req.path}`,
    );
  };
}
