import { KildeError } from "../../core/errors.ts";
import { parseUrl } from "../../core/parse-url.ts";
import { REQUEST_ID_HEADER } from "./request-id.ts";

/** Methods that may change something (RFC 9110 §9.2.1). */
const UNSAFE_METHODS = ["POST", "PUT", "PATCH", "DELETE"];

const SAFE_METHODS = ["GET", "HEAD"];

/** The value of `corsOrigin` that lets pages of every origin read, and none of them change anything. */
const EVERY_ORIGIN = "*";

/** Returns the options of hono's `cors`: named origins may call every method, and with `*` all others may read. */
export function corsPolicy(corsOrigins: readonly string[]): {
  origin: "*" | string[] | ((origin: string) => string);
  allowMethods: (origin: string) => string[];
} {
  const named = corsOrigins.filter((origin) => origin !== EVERY_ORIGIN);
  const allowMethods = (origin: string) =>
    named.includes(origin) ? [...SAFE_METHODS, ...UNSAFE_METHODS] : SAFE_METHODS;
  if (named.length === corsOrigins.length) return { origin: named, allowMethods };
  if (named.length === 0) return { origin: EVERY_ORIGIN, allowMethods };
  return { origin: (origin) => (named.includes(origin) ? origin : EVERY_ORIGIN), allowMethods };
}

/** Lets pages read a refusal that no router answered, as they read the router's answers. */
export function allowReadingRefusal(
  request: Request,
  { headers }: Response,
  corsOrigins: readonly string[],
): void {
  if (corsOrigins.length === 0) return;
  const isForAll = corsOrigins.every((each) => each === EVERY_ORIGIN);
  if (!isForAll) headers.append("Vary", "Origin");
  const origin = request.headers.get("origin");
  const allowed = origin !== null && corsOrigins.includes(origin) ? origin : EVERY_ORIGIN;
  if (!corsOrigins.includes(allowed)) return;
  headers.set("Access-Control-Allow-Origin", allowed);
  headers.set("Access-Control-Expose-Headers", `Retry-After,${REQUEST_ID_HEADER}`);
}

/**
 * Whether a page of another origin made a browser send the request. Browsers state it in `Sec-Fetch-Site` (W3C Fetch
 * Metadata §2.3), older ones name the page in `Origin` (RFC 6454 §7); programs send neither.
 */
export function isCrossOrigin({ headers, url }: Request): boolean {
  const site = headers.get("sec-fetch-site");
  if (site !== null) return site !== "same-origin" && site !== "none";
  const origin = headers.get("origin");
  return origin !== null && parseUrl(origin)?.host !== new URL(url).host;
}

/**
 * Returns the error for a request that may change something and that a page of an unnamed origin made a browser send;
 * null for every other request. A browser asks beforehand (CORS) whether a page may send JSON, but sends a POST
 * without a body without asking. `*` names no origin: otherwise any page could change the store.
 */
export function crossSiteError(request: Request, corsOrigins: readonly string[]): KildeError | null {
  if (!UNSAFE_METHODS.includes(request.method) || !isCrossOrigin(request)) return null;
  const origin = request.headers.get("origin");
  if (origin !== null && origin !== EVERY_ORIGIN && corsOrigins.includes(origin)) return null;
  return new KildeError(
    "cross-site-request",
    `A page of ${origin ?? "another origin"} may not have a browser send ${request.method} ${new URL(request.url).pathname}`,
  );
}
