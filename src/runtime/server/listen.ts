import type { Settings } from "../../config/settings.ts";
import { KildeError } from "../../core/errors.ts";
import type { AppOptions } from "../../http/app.ts";
import type { OnAccess } from "../../http/pipeline/access-log.ts";
import { createPipeline, type Pipeline } from "../../http/pipeline/pipeline.ts";
import { storeDestination } from "../../http/store-destination.ts";
import { failureResponse, type OnFault } from "../../http/pipeline/failures.ts";
import type { ParseLarge } from "../../http/wire/parsing.ts";
import { REQUEST_ID_HEADER } from "../../http/pipeline/request-id.ts";
import type { ComposedStore } from "../compose.ts";
import { docsFiles } from "./docs-files.ts";
import type { EventLogger } from "../event-logger.ts";
import { createHostGuard, misdirected } from "./host-guard.ts";
import { type Handlers, serveAsWritten } from "./raw-target.ts";
import { openParsing } from "./parsing.ts";
import { systemClock } from "../../core/system-clock.ts";

/** The application's limit answers with a problem, so the server's must not apply first. */
const MAX_REQUEST_BODY_BYTES = Number.MAX_SAFE_INTEGER;

/** The means by which clients reach a store: a socket, or calls in this process. */
export interface Surface {
  /** Accepts no more requests, ends followers, and resolves when every request is answered. */
  close(): Promise<void>;
}

export interface Listening extends Surface {
  readonly port: number;
}

export interface AnswerDeps extends Omit<ComposedStore, "close"> {
  readonly parseLarge: ParseLarge;
  readonly settings: Settings;
  readonly version: string;
  readonly logger: EventLogger;
  /** Aborts when the server shuts down. */
  readonly closing: AbortSignal;
}

/** Returns the writer of the access log; null: the settings turn it off. */
export function accessLogOf({ accessLog }: Settings, logger: EventLogger): OnAccess {
  return accessLog ? (entry) => logger.info(entry, "request") : null;
}

/** Creates the options with which a server answers for a store. */
export function answering({ settings, version, logger, ...deps }: AnswerDeps): AppOptions {
  return {
    ...deps,
    limits: settings.limits,
    clock: systemClock,
    version,
    corsOrigins: settings.corsOrigin,
    onAccess: accessLogOf(settings, logger),
    onFault: (error, requestId) => logger.error({ err: error, requestId }, "request failed"),
    docs: docsFiles,
  };
}

const BAD_PATH = "The path has a backslash, an empty segment, a fragment, or `.` or `..` as a segment";

/** Returns the error for a malformed `Host`, which is no name of this machine either. */
function malformedHost(request: Request, { behindProxy }: Settings): KildeError {
  return behindProxy
    ? new KildeError("invalid-target", "Host is not a host name or an address, and perhaps a port")
    : misdirected(request.headers.get("host") ?? "");
}

export interface SocketOptions {
  readonly settings: Settings;
  readonly closing: AbortController;
  readonly pipeline: Pipeline;
  /** Called with each error that the pipeline did not catch. */
  readonly onFault: OnFault;
}

/** Listens on the port in the settings (0: any free port), and refuses paths that are not canonical. */
export function openSocket({ settings, closing, pipeline, onFault }: SocketOptions): Listening {
  const mounted = settings.tenants.flatMap(({ path }) => path ?? []);
  const handlers: Handlers = {
    fetch: (request) => pipeline.fetch(request),
    refuseHost: (request) => pipeline.refuse(request, malformedHost(request, settings)),
    refusePath: (request) => pipeline.refuse(request, new KildeError("invalid-target", BAD_PATH)),
  };
  const server = Bun.serve({
    ...serveAsWritten(handlers, mounted),
    hostname: settings.host,
    port: settings.port,
    // Followers are silent between heartbeats.
    idleTimeout: 0,
    maxRequestBodySize: MAX_REQUEST_BODY_BYTES,
    // In development, Bun answers with a page of source lines and paths.
    development: false,
    // By default, outside of development, Bun shares the port with another process that listens on it.
    reusePort: false,
    error(error) {
      const requestId = crypto.randomUUID();
      const response = failureResponse(error, { requestId, path: "", basePath: "", onFault });
      response.headers.set(REQUEST_ID_HEADER, requestId);
      return response;
    },
  });
  return {
    port: server.port ?? settings.port,
    async close() {
      closing.abort();
      await Promise.race([server.stop(), systemClock.sleep(settings.shutdownTimeoutMs)]);
      await server.stop(true);
    },
  };
}

/** Serves the HTTP surface of a store. */
export function listen(deps: Omit<AnswerDeps, "closing" | "parseLarge">): Listening {
  const { settings } = deps;
  const closing = new AbortController();
  const { parseLarge, close } = openParsing(settings.limits);
  const options = answering({ ...deps, parseLarge, closing: closing.signal });
  const store = storeDestination(options);
  const pipeline = createPipeline({
    clock: options.clock,
    hostError: createHostGuard(settings),
    destinationOf: () => store,
    observers: store,
  });
  const socket = openSocket({ settings, closing, pipeline, onFault: store.onFault });
  return {
    ...socket,
    async close() {
      await socket.close();
      close();
    },
  };
}
