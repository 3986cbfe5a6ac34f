import type { Settings } from "../config/settings.ts";
import type { Feeds } from "../feed/feeds.ts";
import type { AppOptions } from "../http/app.ts";
import { createFetch } from "../http/fetch.ts";
import type { Database } from "../log/database.ts";
import type { DeliveryPort } from "../http/deps.ts";
import type { LogReader } from "../log/reader.ts";
import type { Sightings } from "../log/sightings.ts";
import type { LogWriter } from "../log/writer.ts";
import { docsFiles } from "./docs-files.ts";
import type { EventLogger } from "./feed-events.ts";
import { guardHost } from "./host-guard.ts";
import { systemClock } from "./system-clock.ts";

/** The application's own limit answers with a problem; the server's must not come first. */
const MAX_REQUEST_BODY_BYTES = Number.MAX_SAFE_INTEGER;

/** What others reach it by. */
export interface Surface {
  /** Takes no more requests, ends followers, and waits until every request is answered. */
  close(): Promise<void>;
}

export interface Listening extends Surface {
  readonly port: number;
}

/** What is reached. */
export interface SurfaceParts {
  readonly reader: LogReader;
  readonly writer: LogWriter;
  readonly feeds: Feeds;
  readonly database: Database;
  readonly sightings: Sightings;
  readonly delivery: DeliveryPort;
}

export interface AnswerDeps extends SurfaceParts {
  readonly settings: Settings;
  readonly version: string;
  readonly logger: EventLogger;
  /** Aborts when the server shuts down. */
  readonly closing: AbortSignal;
}

/** How a server answers on a store. */
export function answering({ settings, version, logger, ...deps }: AnswerDeps): AppOptions {
  return {
    ...deps,
    limits: settings.limits,
    clock: systemClock,
    version,
    corsOrigins: settings.corsOrigin,
    onAccess: settings.accessLog ? (entry) => logger.info(entry, "request") : null,
    onFault: (error, requestId) => logger.error({ err: error, requestId }, "request failed"),
    docs: docsFiles,
  };
}

/** The request with a whole URL: that of one without `Host`, as HTTP/1.0 allows it, is but a path. */
function withHost(request: Request): Request {
  return request.url.startsWith("/") ? new Request(`http://localhost${request.url}`, request) : request;
}

/** Listens on the port that the settings name; 0 takes any that is free. */
export function openSocket(
  settings: Settings,
  closing: AbortController,
  fetch: (request: Request) => Response | Promise<Response>,
): Listening {
  const server = Bun.serve({
    hostname: settings.host,
    port: settings.port,
    // Followers are silent between heartbeats.
    idleTimeout: 0,
    maxRequestBodySize: MAX_REQUEST_BODY_BYTES,
    fetch: (request) => fetch(withHost(request)),
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
export function listen(deps: Omit<AnswerDeps, "closing">): Listening {
  const { settings } = deps;
  const closing = new AbortController();
  const options = answering({ ...deps, closing: closing.signal });
  return openSocket(settings, closing, guardHost(settings, options, createFetch(options)));
}
