import { postStream } from "../streams/append.ts";
import { type AppOptions, createApp, createDeps, failureResponse } from "../app.ts";
import { belowBasePath } from "./base-path.ts";
import type { AppDeps } from "../deps.ts";
import { REQUEST_ID_HEADER, requestIdOf } from "./request-id.ts";
import { targetError } from "./request-target.ts";
import { refuse } from "./tenants.ts";

/** The path of an append to one stream, with the stream's name as it is encoded there. */
const STREAM_PATH = /^https?:\/\/[^/]+(\/streams\/([^/?#]+))$/;

/**
 * The HTTP surface as a server's `fetch`. Appends to a stream are answered ahead of the router, which would cost
 * a fifth of what such a request does; they get the same answers from both. Everything else, and everything
 * that browsers of other origins may send, goes through the app. Paths that are not in their one form are refused first.
 */
export function createFetch(
  options: AppOptions,
  deps = createDeps(options),
): (request: Request) => Response | Promise<Response> {
  const handle = fetchAtRoot(options, deps);
  const { basePath } = deps;
  return (request) => {
    const error = targetError(request);
    if (error !== null) return refuse(options, request, error, basePath);
    return handle(basePath === "" ? request : belowBasePath(request, basePath));
  };
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
    if (path === undefined || name === undefined) return app.fetch(request);
    return append(request, path, decodeURIComponent(name));
  };
}
