import { setMaxListeners } from "node:events";
import { existsSync, mkdirSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { version } from "../../package.json" with { type: "json" };
import type { Client } from "../client/index.ts";
import type { TokenSource } from "../client/token.ts";
import { resolveSettings } from "../config/resolve.ts";
import type { KildeConfig } from "../config/settings.ts";
import { databaseFile } from "../core/database-url.ts";
import { KildeError } from "../core/errors.ts";
import { type OptionNames, refuseUnknownOptions } from "../core/known-options.ts";
import { authenticateWith, trustCaller } from "../http/pipeline/authentication.ts";
import { createPipeline, type Destination } from "../http/pipeline/pipeline.ts";
import { storeDestination } from "../http/store-destination.ts";
import type { EventLogger } from "../runtime/event-logger.ts";
import { startKilde } from "../runtime/server/start.ts";
import { systemClock } from "../core/system-clock.ts";
import { inProcessClient } from "./in-process-client.ts";
import { answerInProcess } from "./surface.ts";

export { KildeError, type ProblemCode } from "../core/errors.ts";
export { KildeUnreachableError, UnreadableEventError } from "../client/index.ts";
export type * from "../client/store-types.ts";
export type * from "../client/types.ts";
export type { Client } from "../client/index.ts";
export type { KildeConfig } from "../config/settings.ts";
export type { EventLogger } from "../runtime/event-logger.ts";

/** The settings of a server (`kilde.config.ts`) that apply to an embedded store, and the path of its HTTP surface. */
export interface KildeOptions extends Pick<
  KildeConfig,
  | "databaseUrl"
  | "databaseAuthToken"
  | "readUrl"
  | "feeds"
  | "limits"
  | "pollIntervalMs"
  | "corsOrigin"
  | "environment"
> {
  /** Path that `fetch` is mounted under, `"/kilde"`: links and problems begin with it. Default: the root. */
  readonly basePath?: string;
  /** Logs changes of feeds, and faults; a pino logger works. Default: warnings and errors on the console. */
  readonly logger?: EventLogger;
}

/** An event store in this process: every operation of a server's client, and the server's HTTP surface. */
export interface Kilde extends Client {
  /**
   * The HTTP surface, for the host service: `app.mount("/kilde", kilde.fetch)`. It accepts requests whose path begins
   * with `basePath`, and those that a router has stripped of it. It trusts the host service: it checks no one's access,
   * also if the store has keys.
   */
  readonly fetch: (request: Request) => Promise<Response>;
  /**
   * A client that may do what the grants of a key allow, for code of this process that is not trusted with the whole
   * store. Its requests are refused without a valid token, also if the store has no keys.
   *
   * @example
   * ```ts
   * import { createKilde } from "kilde/embed";
   *
   * const kilde = await createKilde({ databaseUrl: "file:data/orders.db" });
   * const { token } = await kilde.keys.create({ name: "reports", grants: ["read:/streams/order-*"] });
   * const reports = kilde.as(token);
   * for await (const event of reports.read({ stream: "order-1" })) console.log(event.type);
   * ```
   */
  as(token: TokenSource): Client;
  /** Accepts no more requests, ends followers, completes requests in flight, commits, and closes the database. */
  close(): Promise<void>;
}

const consoleLogger: EventLogger = {
  info: () => {},
  warn: (fields, message) => console.warn(`kilde: ${message}`, fields),
  error: (fields, message) => console.error(`kilde: ${message}`, fields),
};

/** The program of the writer thread; null where the file is missing, as in another program's bundle, or in Node. */
function databaseThread(): URL | null {
  if (!("Bun" in globalThis)) return null;
  const name = import.meta.url.endsWith("/src/embed/index.ts")
    ? "../storage/writer/writer-thread.ts"
    : "./writer-thread.js";
  const program = new URL(name, import.meta.url);
  return existsSync(fileURLToPath(program)) ? program : null;
}

function checkedBasePath(basePath: string): string {
  if (basePath === "" || basePath === "/") return "";
  if (/^(\/[\w\-.~]+)+$/.test(basePath)) return basePath;
  throw new TypeError(`basePath is a path without an end, such as "/kilde", not ${JSON.stringify(basePath)}`);
}

const OPTIONS: OptionNames<KildeOptions> = {
  databaseUrl: true,
  databaseAuthToken: true,
  readUrl: true,
  feeds: true,
  limits: true,
  pollIntervalMs: true,
  corsOrigin: true,
  environment: true,
  basePath: true,
  logger: true,
};

/**
 * Opens an event store in this process, migrates its database, and projects its feeds. Throws a `TypeError` for an
 * unknown option, and a `ConfigError` that names every invalid setting.
 *
 * @example
 * ```ts
 * import { createKilde } from "kilde/embed";
 *
 * const kilde = await createKilde({ databaseUrl: "file:data/orders.db" });
 * await kilde.append("order-1", [{ type: "OrderPlaced", data: { total: 12 } }]);
 * await kilde.close();
 * ```
 */
export async function createKilde(given: KildeOptions = {}): Promise<Kilde> {
  refuseUnknownOptions("createKilde", given, OPTIONS);
  const { basePath: givenPath = "", logger = consoleLogger, ...config } = given;
  const basePath = checkedBasePath(givenPath);
  const file = { path: "createKilde", value: config };
  const settings = { ...resolveSettings({ flags: {}, environment: {}, file }), configFile: null };
  const path = databaseFile(settings.databaseUrl);
  if (path !== null) mkdirSync(dirname(resolve(path)), { recursive: true });

  const closing = new AbortController();
  // Each follower adds a listener. Node warns of a leak beyond a few listeners.
  setMaxListeners(0, closing.signal);
  const { surface, close } = await startKilde({
    settings,
    logger,
    databaseThread: databaseThread(),
    open(parts) {
      const destination = storeDestination({
        ...parts,
        limits: settings.limits,
        clock: systemClock,
        version,
        environment: settings.environment ?? null,
        corsOrigins: settings.corsOrigin,
        closing: closing.signal,
        basePath,
        onAccess: null,
        onFault: (error, requestId) => logger.error({ err: error, requestId }, "request failed"),
        loadMeasured: async () => (await import("../http/service/measured.ts")).registerMeasured,
        docs: null,
        consoleFiles: null,
      });
      const pipelineOf = (store: Destination) => {
        const destinationOf = () => {
          if (closing.signal.aborted) throw new KildeError("shutting-down", "This Kilde was closed");
          return store;
        };
        return createPipeline({ clock: systemClock, destinationOf, observers: store });
      };
      const store = { ...destination, authenticate: trustCaller };
      const byToken = authenticateWith({ access: parts.access, admission: () => "closed" });
      const guarded = pipelineOf({ ...destination, authenticate: byToken });
      return answerInProcess({ trusting: pipelineOf(store), guarded }, closing);
    },
  });
  // In this process no answer is lost. An answer of a database server may be.
  const isLocal = path !== null || settings.databaseUrl === ":memory:";
  const shared = { closing: closing.signal, isLocal };
  let closed: Promise<void> | null = null;
  return {
    ...inProcessClient({ ...shared, fetch: (request) => surface.fetch(request), token: null }),
    as: (token) => inProcessClient({ ...shared, fetch: (request) => surface.guardedFetch(request), token }),
    fetch: (request) => surface.fetch(request),
    close() {
      closed ??= close();
      return closed;
    },
  };
}
