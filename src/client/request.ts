import { errorText } from "../core/error-text.ts";
import { type Answer, answerOf } from "./answer.ts";
import { type RequestAttempt, DeadlineError, type StartAttempt, type Timeouts } from "./deadline.ts";
import { answerError } from "./parse-answer.ts";
import { requestRetryMs, isPassing, type Retry } from "./retry.ts";
import { InvalidTokenError, TokenFailure } from "./token.ts";
import type { ReplyHeaders, HttpTransport } from "./http-transport.ts";
import { UnexpectedAnswerError } from "./unexpected-answer.ts";
import { UnreadableEventError } from "./unreadable-event.ts";
import { KildeUnreachableError, wasNotSent } from "./unreachable.ts";

/** The client's knowledge of the event log. */
export interface Known {
  /** Highest position that an append or a version conflict returned; 0: none. */
  position: number;
  /** Identity of the log in the last answer with one; null: no answer had one. */
  identity: string | null;
}

export interface RequestDeps {
  readonly url: string;
  readonly fetch: HttpTransport;
  readonly headers: Readonly<Record<string, string>>;
  readonly retry: Retry;
  readonly timeouts: Timeouts;
  readonly startAttempt: StartAttempt;
  /** Called with the error of an attempt that will be retried. */
  readonly onRetry?: ((error: unknown) => void) | undefined;
  /** Resolves after `ms`; rejects with the signal's reason when it aborts. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** The wall clock, for a `Retry-After` with a date in an answer without one. */
  readonly now: () => number;
  readonly known: Known;
  readonly suspicion: Suspicion;
  /** A random number from 0 up to 1, which spreads the retries of many clients. */
  readonly random: () => number;
  /** Parses pages of events. Default: `JSON.parse`. */
  readonly parseJson?: (text: string) => unknown;
}

/** Updates the knowledge of the event log from an answer. Answers about feeds carry the identities of feeds. */
function noteKnown(known: Known, path: string, headers: ReplyHeaders): void {
  const identity = headers.get("kilde-log");
  if (identity !== null && !path.startsWith("/feeds/") && identity !== known.identity) {
    // A position of the former history names another event now.
    if (known.identity !== null) known.position = 0;
    known.identity = identity;
  }
  const position = Number(headers.get("kilde-position"));
  if (position > known.position) known.position = position;
}

/** A request, with the time that the server itself may wait before it answers (`timeout`), in milliseconds. */
export type Request = RequestInit & {
  readonly serverWaitMs?: number | undefined;
  readonly plan?: AttemptPlan | undefined;
};

/** How to send an attempt. */
export interface AttemptPlan {
  /** The deadline for the beginning of the answer. */
  readonly answerMs: number;
  /** Requests a new connection, since one of the pool may be dead. Bun and Node do so; other runtimes ignore it. */
  readonly isFresh: boolean;
}

/**
 * Number of connections that may be dead. If one connection is silent, the runtime's pool may hold others that are
 * dead too, and use them for the next requests.
 */
export interface Suspicion {
  left: number;
}

const MOST_SUSPECTS = 16;

/** Deadline of an attempt that tries a suspected connection of the pool, before one with a new connection. */
const POOLED_PROBE_MS = 1_000;

/** Deadline, and number, of the short attempts of a request whose connection is suspected. */
const PROBE_MS = 2_000;
const PROBES = 4;

/**
 * Plans an attempt (1, 2, …). While connections are suspected, the first attempt of a request uses a connection of
 * the runtime's pool, and so closes it if it is dead; later attempts, and an attempt that cannot be repeated, use a
 * new connection.
 */
export function planAttempt(
  { suspicion, timeouts }: RequestDeps,
  attempt: number,
  isLast: boolean,
): AttemptPlan {
  const { answerMs } = timeouts;
  if (suspicion.left === 0) return { answerMs, isFresh: false };
  suspicion.left -= 1;
  if (isLast || attempt > PROBES) return { answerMs, isFresh: true };
  const isFresh = attempt > 1;
  return { answerMs: Math.min(isFresh ? PROBE_MS : POOLED_PROBE_MS, answerMs), isFresh };
}

/** Slowest upload that the deadline allows, in bytes per second. */
const UPLOAD_BYTES_PER_SECOND = 32 * 1024;

function answerDeadlineMs({ timeouts }: RequestDeps, { body, serverWaitMs = 0, plan }: Request): number {
  const bytes = typeof body === "string" ? body.length : 0;
  // Whole seconds, because runtimes keep one list of timers for each duration.
  return (
    (plan?.answerMs ?? timeouts.answerMs) + serverWaitMs + 1_000 * Math.floor(bytes / UPLOAD_BYTES_PER_SECOND)
  );
}

/** The error of an attempt that ended without a complete answer. */
export function unreachable(deps: RequestDeps, detail: string, cause: unknown): KildeUnreachableError {
  if (cause instanceof DeadlineError && cause.waitedMs > PROBE_MS) deps.suspicion.left = MOST_SUSPECTS;
  const waitedMs = cause instanceof DeadlineError ? cause.waitedMs : 0;
  const reason = cause instanceof DeadlineError ? cause.message : errorText(cause);
  return new KildeUnreachableError(`${detail}: ${reason}`, { cause, waitedMs });
}

/**
 * Sends a request once. Throws for a `HEAD` or `GET` of a missing resource, as for any other problem. The caller
 * closes the answer.
 */
export async function openAnswer(deps: RequestDeps, path: string, request: Request): Promise<Answer> {
  const attempt = deps.startAttempt(request.signal);
  const answer = await receiveHeaders(deps, path, request, attempt);
  noteKnown(deps.known, path, answer.headers);
  if (answer.status >= 200 && answer.status < 300) return answer;
  try {
    // The answer to a HEAD has no body, and so no problem.
    if (request.method === "HEAD") return await openAnswer(deps, path, { ...request, method: "GET" });
    throw await answerError(answer, deps.now());
  } finally {
    answer.close();
  }
}

async function receiveHeaders(
  deps: RequestDeps,
  path: string,
  request: Request,
  attempt: RequestAttempt,
): Promise<Answer> {
  const { serverWaitMs: _wait, plan, signal: _signal, ...init } = request;
  if (plan?.isFresh === true) init.keepalive = false;
  init.headers = { ...deps.headers, ...(init.headers as Record<string, string> | undefined) };
  try {
    const sent = deps.fetch(deps.url + path, init, attempt);
    const response = await attempt.within(answerDeadlineMs(deps, request), sent);
    return answerOf(response, init.method ?? "GET", attempt, deps.timeouts.silenceMs);
  } catch (error) {
    attempt.end("abort");
    if (request.signal?.aborted === true || error instanceof InvalidTokenError) throw error;
    const isSent = !(error instanceof TokenFailure);
    throw unreachable(deps, isSent ? `No answer from ${deps.url}` : `No request to ${deps.url}`, error);
  }
}

/** Whether an answer was rejected for its content, and not for a lost connection. */
function isAboutContent(error: unknown): boolean {
  return error instanceof UnreadableEventError || error instanceof UnexpectedAnswerError;
}

/**
 * Sends a request once and reads the answer. A connection that is lost during the answer is reported like one that
 * failed at once.
 */
export async function sendOnce<Body>(
  deps: RequestDeps,
  path: string,
  request: Request,
  read: (answer: Answer) => Promise<Body>,
): Promise<Body> {
  const answer = await openAnswer(deps, path, request);
  try {
    return await read(answer);
  } catch (error) {
    if (request.signal?.aborted === true || isAboutContent(error)) throw error;
    if (error instanceof KildeUnreachableError) throw error;
    throw unreachable(deps, "The answer was cut off", error);
  } finally {
    answer.close();
  }
}

/** Marks the error of a request that changes something with whether the server may have executed the request. */
export function withOutcome(
  error: unknown,
  { method = "GET" }: Request,
  path: string,
  mayBeDone: boolean,
  idempotencyKey: string | null,
): unknown {
  if (!(error instanceof KildeUnreachableError) || !mayBeDone || error.isOutcomeUnknown) return error;
  if (method === "GET" || method === "HEAD") return error;
  const remedy =
    idempotencyKey === null
      ? "read what the server has before you repeat it"
      : `repeat it with the idempotency key ${JSON.stringify(idempotencyKey)}, or give the key to findAppend`;
  const { cause, waitedMs } = error;
  return new KildeUnreachableError(
    `${error.message}. The outcome of ${method} ${path} is unknown: ${remedy}`,
    { cause, waitedMs, isOutcomeUnknown: true, idempotencyKey },
  );
}

/** Whether, and how, a request may be repeated. */
export interface Repetition {
  /** Executing it twice has the effect of executing it once. Default: true. */
  readonly isRepeatable?: boolean;
  /** The key that makes the request repeatable; part of the error when the outcome is unknown. */
  readonly idempotencyKey?: string | null;
}

/**
 * Sends a request and retries it if that is safe, until an attempt succeeds, fails permanently, or no attempt is
 * left.
 */
export async function send<Body>(
  deps: RequestDeps,
  path: string,
  request: Request,
  read: (answer: Answer) => Promise<Body>,
  { isRepeatable = true, idempotencyKey = null }: Repetition = {},
): Promise<Body> {
  let mayBeDone = false;
  for (let attempt = 1; ; attempt += 1) {
    const isLast = !isRepeatable || attempt >= deps.retry.attempts;
    const plan = planAttempt(deps, attempt, isLast);
    try {
      return await sendOnce(deps, path, { ...request, plan }, read);
    } catch (error) {
      mayBeDone ||= error instanceof KildeUnreachableError && !wasNotSent(error);
      if (isLast || !isPassing(error)) {
        throw withOutcome(error, request, path, mayBeDone, idempotencyKey);
      }
      deps.onRetry?.(error);
      await deps.sleep(requestRetryMs(deps, attempt, error), request.signal ?? undefined);
    }
  }
}
