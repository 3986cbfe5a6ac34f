import { postStream } from "./append.ts";
import { type AppOptions, createApp, createDeps, failureResponse } from "./app.ts";
import { belowBasePath } from "./base-path.ts";
import type { AppDeps } from "./deps.ts";
import { REQUEST_ID_HEADER, requestIdOf } from "./request-id.ts";

/** The path of an append to one stream, with the stream's name as it is encoded there. */
const STREAM_PATH = /^https?:\/\/[^/]+(\/streams\/([^/?#]+))$/;

function decoded(name: string): string | null {
  try {
    return decodeURIComponent(name);
  } catch {
    return null;
  }
}

/**
 * The HTTP surface as a server's `fetch`. Appends to a stream are answered ahead of the router, which would cost
 * a fifth of what such a request does; they get the same answers from both. Everything else, and everything
 * that browsers of other origins may send, goes through the app.
 */
export function createFetch(
  options: AppOptions,
  deps = createDeps(options),
): (request: Request) => Response | Promise<Response> {
  const handle = fetchAtRoot(options, deps);
  return deps.basePath === "" ? handle : (request) => handle(belowBasePath(request, deps.basePath));
}

function fetchAtRoot(options: AppOptions, deps: AppDeps): (request: Request) => Response | Promise<Response> {
  const app = createApp(options, deps);
  const { onAccess, corsOrigins, clock } = options;
  if (corsOrigins.length > 0) return (request) => app.fetch(request);

  const append = async (request: Request, path: string, stream: string): Promise<Response> => {
    const started = onAccess === null ? 0 : clock.monotonic();
    const requestId = requestIdOf(request.headers);
    let response: Response;
    try {
      response = await postStream(request, stream, deps, { [REQUEST_ID_HEADER]: requestId });
    } catch (error) {
      response = failureResponse(options, error, path, requestId);
      response.headers.set(REQUEST_ID_HEADER, requestId);
    }
    const { status } = response;
    const durationMs = Math.round(clock.monotonic() - started);
    onAccess?.({ requestId, method: "POST", path, status, durationMs });
    return response;
  };

  return (request) => {
    if (request.method !== "POST") return app.fetch(request);
    const [, path, name] = STREAM_PATH.exec(request.url) ?? [];
    const stream = name === undefined ? null : decoded(name);
    return path === undefined || stream === null ? app.fetch(request) : append(request, path, stream);
  };
}
