import type { Settings } from "../config/settings.ts";
import type { Feeds } from "../feed/feeds.ts";
import { createFetch } from "../http/fetch.ts";
import type { Database } from "../log/database.ts";
import type { DeliveryPort } from "../http/deps.ts";
import type { LogReader } from "../log/reader.ts";
import type { Sightings } from "../log/sightings.ts";
import type { LogWriter } from "../log/writer.ts";
import { docsFiles } from "./docs-files.ts";
import type { ServerLog } from "./logger.ts";
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

export interface ListenDeps extends SurfaceParts {
  readonly settings: Settings;
  readonly version: string;
  readonly log: ServerLog;
}

/** Serves the HTTP surface on the port that the settings name; 0 takes any that is free. */
export function listen({ settings, version, log, ...deps }: ListenDeps): Listening {
  const { logger } = log;
  const closing = new AbortController();
  const fetch = createFetch({
    ...deps,
    limits: settings.limits,
    clock: systemClock,
    version,
    corsOrigins: settings.corsOrigin,
    closing: closing.signal,
    onAccess: settings.accessLog ? (entry) => logger.info(entry, "request") : null,
    onFault: (error, requestId) => logger.error({ err: error, requestId }, "request failed"),
    docs: docsFiles,
  });
  const server = Bun.serve({
    hostname: settings.host,
    port: settings.port,
    // Followers are silent between heartbeats.
    idleTimeout: 0,
    maxRequestBodySize: MAX_REQUEST_BODY_BYTES,
    fetch,
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
