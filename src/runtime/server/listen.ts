import { isLoopbackHost } from "../../config/loopback.ts";
import type { Settings } from "../../config/settings.ts";
import { KildeError } from "../../core/errors.ts";
import type { AppOptions } from "../../http/app.ts";
import type { OnAccess } from "../../http/pipeline/access-log.ts";
import { createPipeline, type Pipeline } from "../../http/pipeline/pipeline.ts";
import { storeDestination } from "../../http/store-destination.ts";
import type { OnFault } from "../../http/pipeline/failures.ts";
import { forwardedAddress } from "../../http/pipeline/sender-address.ts";
import type { ParseLarge } from "../../http/wire/parsing.ts";
import { type ProcessAdmission, processAdmission } from "../admission.ts";
import { consoleFiles } from "./console-files.ts";
import { docsFiles } from "./docs-files.ts";
import type { EventLogger } from "../event-logger.ts";
import { createHostGuard, misdirected } from "./host-guard.ts";
import type { Handlers } from "./raw-target.ts";
import { openSockets, type Sockets } from "./sockets.ts";
import { backupTimestampMs } from "./newest-backup.ts";
import { openParsing } from "./parsing.ts";
import type { ServedStore } from "./served-store.ts";
import { systemClock } from "../../core/system-clock.ts";

/** The means by which clients reach a store: a socket, or calls in this process. */
export interface Surface {
  /** Accepts no more requests, ends followers, and resolves when every request is answered. */
  close(): Promise<void>;
}

export interface Listening extends Surface, Pick<Sockets, "port" | "addressOf" | "reloadTls"> {}

export interface AnswerDeps
  extends ServedStore, Required<Pick<AppOptions, "admission" | "addressOf" | "process">> {
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
    environment: settings.environment ?? null,
    corsOrigins: settings.corsOrigin,
    onAccess: accessLogOf(settings, logger),
    onFault: (error, requestId) => logger.error({ err: error, requestId }, "request failed"),
    loadMeasured: async () => (await import("../../http/service/measured.ts")).registerMeasured,
    newestBackup: () => backupTimestampMs(settings.backupFolder),
    docs: docsFiles,
    consoleFiles,
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

/** Listens at the address in the settings, and refuses paths that are not canonical. */
export function openSocket({ settings, closing, pipeline, onFault }: SocketOptions): Listening {
  const handlers: Handlers = {
    fetch: (request) => pipeline.fetch(request),
    refuseHost: (request) => pipeline.refuse(request, malformedHost(request, settings)),
    refusePath: (request) => pipeline.refuse(request, new KildeError("invalid-target", BAD_PATH)),
  };
  const sockets = openSockets({ settings, handlers, onFault });
  return {
    port: sockets.port,
    addressOf: (request) => sockets.addressOf(request),
    reloadTls: () => sockets.reloadTls(),
    async close() {
      closing.abort();
      await Promise.race([sockets.stop(), systemClock.sleep(settings.shutdownTimeoutMs)]);
      await sockets.end();
    },
  };
}

/** Returns the address of the client that sent a request, or of the client of the proxy in front. */
export function senderAddressOf(
  { behindProxy }: Settings,
  socket: Listening,
  request: Request,
): string | null {
  return (behindProxy ? forwardedAddress(request) : null) ?? socket.addressOf(request);
}

/** A store that listens, and its decision on who needs credentials. */
export interface ListeningStore extends Listening {
  readonly admission: ProcessAdmission;
}

/** Serves the HTTP surface of a store. */
export function listen(
  deps: Omit<AnswerDeps, "closing" | "parseLarge" | "admission" | "addressOf">,
): ListeningStore {
  const { settings, access } = deps;
  const closing = new AbortController();
  const { parseLarge, close } = openParsing(settings.limits);
  const isSecured = () => access.isSecured();
  const admission = processAdmission(settings, isLoopbackHost(settings.host), isSecured);
  const addressOf = (request: Request) => senderAddressOf(settings, socket, request);
  const options = answering({
    ...deps,
    parseLarge,
    closing: closing.signal,
    admission: () => admission.now(),
    addressOf,
  });
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
    admission,
    async close() {
      await socket.close();
      close();
    },
  };
}
