import type { BunRequest } from "bun";

import { createHostCheck } from "./host-header.ts";

/**
 * Compares the URL that Bun gives with the path and host that the client wrote. Bun normalizes the URL:
 * `/shop-a/\..\..\shop-b` becomes `/shop-b`, while a proxy in front has seen a path below `/shop-a`. Bun matches
 * routes on the written path, so a route for each number of segments has the segments as its parameters.
 * test/http/pipeline/targets.test.ts fails if a version of Bun matches routes otherwise.
 */

/** Segments of the longest path of Kilde itself: `/feeds/{feed}/{version}/subjects/{subject}`. */
const DEEPEST = 5;

export interface Handlers {
  readonly fetch: (request: Request) => Response | Promise<Response>;
  /** Answers a request with a malformed `Host`. */
  readonly refuseHost: (request: Request) => Response | Promise<Response>;
  /** Answers a request whose path is not canonical. */
  readonly refusePath: (request: Request) => Response | Promise<Response>;
}

/** Returns the request with an absolute URL: a request without `Host`, which HTTP/1.0 allows, has only a path. */
function withHost(request: Request, host: string): Request {
  return host === "" && request.url.startsWith("/")
    ? new Request(`http://localhost${request.url}`, request)
    : request;
}

/** Returns the segments of the path of a URL, without an empty one after a trailing slash. */
function segmentsOf(url: string): string[] {
  const begin = url.indexOf("/", url.indexOf("://") + 3);
  const query = url.indexOf("?", begin);
  const path = query === -1 ? url.slice(begin + 1) : url.slice(begin + 1, query);
  const segments = path.split("/");
  if (segments.at(-1) === "") segments.pop();
  return segments;
}

function decoded(segment: string): string | null {
  try {
    return decodeURIComponent(segment);
  } catch {
    return null;
  }
}

/** Whether a URL has exactly this path, with an optional trailing slash and query. */
function hasPath(url: string, path: string): boolean {
  const begin = url.indexOf("/", url.indexOf("://") + 3);
  if (!url.startsWith(path, begin)) return false;
  const end = begin + path.length;
  const rest = url[end] === "/" ? end + 1 : end;
  return rest === url.length || url[rest] === "?";
}

/** Whether the segments that a client wrote, decoded, are those of the URL. */
function isAsWritten(url: string, written: Readonly<Record<string, string>>, depth: number): boolean {
  // Fast path: nearly all paths have no escapes, so the joined segments can be compared.
  let path = "";
  for (let index = 0; index < depth; index += 1) path += `/${written[`s${index}`]}`;
  if (hasPath(url, path)) return true;
  const segments = segmentsOf(url);
  if (segments.length !== depth) return false;
  return segments.every((segment, index) => {
    const raw = written[`s${index}`];
    return raw === segment || (raw !== undefined && raw === decoded(segment));
  });
}

export interface RawTargetServer {
  readonly routes: Readonly<Record<string, (request: BunRequest) => Response | Promise<Response>>>;
  /** Answers requests that match no route. */
  readonly fetch: (request: Request) => Response | Promise<Response>;
}

/**
 * Returns options of `Bun.serve` that refuse requests whose host or path is not canonical, where the URL does not
 * show it. `mounted`: paths that a store may be below.
 */
export function serveAsWritten(
  { fetch, refuseHost, refusePath }: Handlers,
  mounted: readonly string[],
): RawTargetServer {
  const isHost = createHostCheck();
  const deepest = DEEPEST + Math.max(0, ...mounted.map((path) => path.split("/").length - 1));
  const when =
    <Incoming extends Request>(isGood: (request: Incoming, url: string) => boolean) =>
    (request: Incoming) => {
      const host = request.headers.get("host") ?? "";
      if (!isHost(host)) return refuseHost(request);
      const whole = withHost(request, host);
      return isGood(request, whole.url) ? fetch(whole) : refusePath(whole);
    };
  const routes: Record<string, (request: BunRequest) => Response | Promise<Response>> = {
    "/": when<BunRequest>(() => true),
  };
  for (let depth = 1; depth <= deepest; depth += 1) {
    const path = Array.from({ length: depth }, (_, index) => `/:s${index}`).join("");
    const handle = when<BunRequest>(({ params }, url) => isAsWritten(url, params, depth));
    routes[path] = handle;
    routes[`${path}/`] = handle;
  }
  // No route matches a path with an empty segment, or one that is deeper than every route.
  return { routes, fetch: when((_, url) => segmentsOf(url).length > deepest) };
}
