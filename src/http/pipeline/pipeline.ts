import type { Clock } from "../../core/clock.ts";
import { ANONYMOUS, isAdmittedFreely, type Principal } from "../../access/principal.ts";
import type { KildeError } from "../../core/errors.ts";
import { parseUrl } from "../../core/parse-url.ts";
import { type TraceContext, traceIdOf } from "../../core/trace-context.ts";
import { type AccessEntry, accessEntry, type OnAccess } from "./access-log.ts";
import type { Authenticate, IdentifiedSender } from "./authentication.ts";
import { belowBasePath, isBelow } from "./base-path.ts";
import { allowReadingRefusal, crossSiteError } from "./cross-site.ts";
import { failureResponse, type OnFault } from "./failures.ts";
import { REQUEST_ID_HEADER, requestIdOf } from "./request-id.ts";
import { targetError } from "./request-target.ts";
import { endRequestTrace, startRequestTrace } from "./request-trace.ts";
import { stateRate } from "./sender-limits.ts";

/** An event stream that is open. */
export interface StreamedAnswer {
  /** Calls back once, with the bytes that were sent, when the stream has ended. It has one such listener. */
  onEnd(listener: (bytes: number) => void): void;
}

/** The results of the pipeline's steps for one request. */
export interface RequestContext extends IdentifiedSender {
  readonly requestId: string;
  /** The request's place in a trace; null: it belongs to none. */
  readonly trace: TraceContext | null;
  /** Path of the route that answers, with `{name}` for a parameter, which the destination sets; null: no route does. */
  route: string | null;
  /** Bytes of the answer's body before any compression, which the destination sets; of a problem, its header has them. */
  bytes: number;
  /** The event stream of the answer, which the destination sets; null: the answer is none. */
  streamed: StreamedAnswer | null;
}

/** Called with each request once its answer begins. `seconds`: the time until then. */
export type OnAnswer = (request: Request, route: string | null, status: number, seconds: number) => void;

/** The observers that log requests and failures. */
export interface Observers {
  readonly onAccess: OnAccess;
  readonly onFault: OnFault;
  /** Measures requests. Default: nothing does. */
  readonly onAnswer?: OnAnswer;
}

/** The receiver of all requests below one path: a store, or the process itself. */
export interface Destination extends Observers {
  /** Empty at the root. */
  readonly basePath: string;
  /** Origins whose pages may send requests that change something. */
  readonly corsOrigins: readonly string[];
  readonly authenticate: Authenticate;
  /** Answers a request whose path is relative to `basePath`. May throw any error. */
  readonly answer: (request: Request, context: RequestContext) => Response | Promise<Response>;
}

export interface PipelineOptions {
  readonly clock: Pick<Clock, "monotonic">;
  /** The error for a request to a host that this process does not serve. Default: the platform has checked it. */
  readonly hostError?: (request: Request) => KildeError | null;
  /** Returns the destination of a request. Throws a KildeError when there is none. */
  readonly destinationOf: (request: Request, requestId: string) => Destination | Promise<Destination>;
  /**
   * Log the requests that reach no destination. `basePath`: the path that everything is served under; default: the
   * root.
   */
  readonly observers: Observers & Partial<Pick<Destination, "basePath">>;
}

export interface Pipeline {
  fetch(request: Request): Promise<Response>;
  /** Answers a request that a platform refuses before the pipeline can read it. */
  refuse(request: Request, error: KildeError): Promise<Response>;
}

function check(error: KildeError | null): void {
  if (error !== null) throw error;
}

/** Returns the path of a URL below the base path. Empty if the host is malformed, so that there is no URL. */
function pathOf(request: Request, basePath: string): string {
  const path = parseUrl(request.url)?.pathname ?? "";
  return isBelow(path, basePath) ? path.slice(basePath.length) : path;
}

/** Answers with one of these state themselves which caches may keep them. */
const STATED_CACHES = /\b(?:public|private|no-store)\b/;

/**
 * Sets `Cache-Control` on an answer that lacks it: caches would choose how long to keep it otherwise (RFC 9111
 * §4.2.2). Keeps answers to senders with credentials out of shared caches, and out of the answers to other senders.
 */
function stateCaching({ method }: Request, { headers }: Response, principal: Principal): void {
  if (method === "POST") return;
  const control = headers.get("cache-control") ?? "no-cache";
  const isForAll = isAdmittedFreely(principal) || principal.kind === "anonymous";
  const isStated = isForAll || STATED_CACHES.test(control);
  headers.set("Cache-Control", isStated ? control : `private, ${control}`);
  if (!isForAll && !/\b(?:public|no-store)\b/.test(control)) headers.append("Vary", "Authorization, Cookie");
}

/** Returns the bytes of an answer's body before any compression. */
function bodyBytes({ method }: Request, response: Response, context: RequestContext | null): number {
  if (method === "HEAD") return 0;
  const stated = response.status < 400 ? null : response.headers.get("content-length");
  return stated === null ? (context?.bytes ?? 0) : Number(stated);
}

/** Logs an event stream once it has ended. Apart from the request, which would otherwise stay in memory until then. */
function logStream(
  streamed: StreamedAnswer,
  entry: AccessEntry,
  onAccess: NonNullable<OnAccess>,
  clock: Pick<Clock, "monotonic">,
): void {
  const began = clock.monotonic();
  streamed.onEnd((bytes) => onAccess({ ...entry, bytes, streamMs: Math.round(clock.monotonic() - began) }));
}

/**
 * Creates the pipeline that every request passes, on every platform. In order, it assigns the request id; requires a
 * canonical path and a served host; finds the destination; refuses changes by pages of other sites; identifies the
 * sender; lets the destination answer; turns an error into a problem; adds the request id to the answer; and writes
 * the entry of the access log.
 */
export function createPipeline({
  clock,
  hostError = () => null,
  destinationOf,
  observers,
}: PipelineOptions): Pipeline {
  const run = async (request: Request, refusal: KildeError | null): Promise<Response> => {
    const started = clock.monotonic();
    const requestId = requestIdOf(request.headers);
    const trace = startRequestTrace(request);
    let at: Pick<Destination, "basePath" | keyof Observers> = { basePath: "", ...observers };
    let corsOrigins: readonly string[] = [];
    let sender: IdentifiedSender | null = null;
    let context: RequestContext | null = null;
    let response: Response;
    try {
      check(refusal ?? targetError(request) ?? hostError(request));
      const found = destinationOf(request, requestId);
      const destination = found instanceof Promise ? await found : found;
      at = destination;
      ({ corsOrigins } = destination);
      check(crossSiteError(request, corsOrigins));
      const admitted = destination.authenticate(request);
      sender = admitted instanceof Promise ? await admitted : admitted;
      const own = at.basePath === "" ? request : belowBasePath(request, at.basePath);
      context = { requestId, ...sender, trace: trace.context, route: null, bytes: 0, streamed: null };
      response = await destination.answer(own, context);
    } catch (error) {
      response = failureResponse(error, { ...at, requestId, path: pathOf(request, at.basePath) });
      allowReadingRefusal(request, response, corsOrigins);
    }
    stateCaching(request, response, sender?.principal ?? ANONYMOUS);
    if (sender?.rate !== undefined) stateRate(response.headers, sender.rate);
    if (!response.headers.has(REQUEST_ID_HEADER)) response.headers.set(REQUEST_ID_HEADER, requestId);
    const durationMs = clock.monotonic() - started;
    const { method } = request;
    const { status } = response;
    const { route } = context ?? { route: null };
    at.onAnswer?.(request, route, status, durationMs / 1_000);
    if (at.onAccess === null && trace.span === null) return response;
    const path = pathOf(request, at.basePath);
    endRequestTrace(trace, { method, route, status, requestId });
    if (at.onAccess === null) return response;
    const entry = accessEntry(request, {
      requestId,
      path,
      route,
      status,
      principal: sender?.principal ?? ANONYMOUS,
      bytes: bodyBytes(request, response, context),
      traceId: trace.context === null ? null : traceIdOf(trace.context),
      durationMs: Math.round(durationMs),
    });
    const streamed = context?.streamed ?? null;
    if (streamed === null) at.onAccess(entry);
    else logStream(streamed, entry, at.onAccess, clock);
    return response;
  };
  return { fetch: (request) => run(request, null), refuse: (request, error) => run(request, error) };
}
