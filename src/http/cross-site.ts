import type { Context, MiddlewareHandler } from "hono";

import { KildeError } from "../core/errors.ts";

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

/**
 * Refuses what a page of an origin that may not call has a browser send, for methods that may change something. A
 * browser asks beforehand (CORS) whether it may send JSON, but sends a POST without a body unasked.
 */
export function refuseCrossSite(corsOrigins: readonly string[]): MiddlewareHandler {
  const mayCall = (origin: string | undefined) =>
    corsOrigins.includes("*") || (origin !== undefined && corsOrigins.includes(origin));
  return (c, next) => {
    const origin = c.req.header("origin");
    if (mayCall(origin) || !isCrossOrigin(c)) return next();
    throw new KildeError(
      "cross-site-request",
      `A page of ${origin ?? "another origin"} may not have a browser send ${c.req.method} ${c.req.path}`,
    );
  };
}
