import {
  isErrorNamed,
  isProblemCode,
  KildeError,
  PROBLEM_PATH,
  type ProblemMembers,
} from "../core/errors.ts";
import { retryAfterMs } from "../core/retry-after.ts";
import { UnreadableEventError } from "./unreadable-event.ts";

/** The server could not be reached, or the connection was lost: whether the request was done cannot be told. */
export class KildeUnreachableError extends Error {
  static override [Symbol.hasInstance](value: unknown): boolean {
    return isErrorNamed(value, "KildeUnreachableError");
  }

  override readonly name = "KildeUnreachableError";
}

/** The server answered with something that is not Kilde's: another program, or a proxy in between. */
export class UnexpectedAnswerError extends Error {
  static override [Symbol.hasInstance](value: unknown): boolean {
    return isErrorNamed(value, "UnexpectedAnswerError");
  }

  override readonly name = "UnexpectedAnswerError";
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

export interface Retry {
  /** How often a request is sent at most. */
  readonly attempts: number;
  /** Wait before the second attempt in milliseconds; each further one is twice as long, up to `maxDelayMs`. */
  readonly delayMs: number;
  readonly maxDelayMs: number;
  /** Longest `Retry-After` of the server that is honored, in milliseconds; a longer one counts as this. */
  readonly maxRetryAfterMs: number;
}

/** Longest `Retry-After` that is honored if nothing else is set. */
export const MAX_RETRY_AFTER_MS = 3_600_000;

/** What the client knows of the event log. */
export interface Known {
  /** The last position that an append or a refusal named; 0: none. */
  position: number;
  /** Identity of the log in the last answer that named one; null: none did. */
  identity: string | null;
}

export interface RequestDeps {
  readonly url: string;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly headers: Readonly<Record<string, string>>;
  readonly retry: Retry;
  /** Resolves after `ms`; rejects with the signal's reason when it aborts. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** The wall clock, for a `Retry-After` with a date in an answer without one. */
  readonly now: () => number;
  readonly known: Known;
  /** 0 up to 1; spreads the attempts of many clients. */
  readonly random: () => number;
}

/** Answers of a proxy or of a server that starts or stops: the same request may well succeed soon. */
const PASSING = new Set([429, 502, 503, 504]);

export function isPassing(error: unknown): boolean {
  if (error instanceof KildeUnreachableError) return true;
  if (error instanceof UnexpectedAnswerError) return PASSING.has(error.status);
  return error instanceof KildeError && retryAfter.has(error);
}

/** Errors that are worth another attempt, with how long the server asks to wait for it, in milliseconds. */
const retryAfter = new WeakMap<Error, number>();

function isMembers(value: unknown): value is ProblemMembers & { type?: unknown; detail?: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The members of a problem's JSON text; null for any other text. */
function problemOf(text: string): (ProblemMembers & { type?: unknown; detail?: unknown }) | null {
  try {
    const problem: unknown = JSON.parse(text);
    return isMembers(problem) ? problem : null;
  } catch {
    return null;
  }
}

/**
 * Reads an answer that is a JSON object. One that ends in the middle was cut off; any other text is not Kilde's. Throws a
 * KildeUnreachableError or an UnexpectedAnswerError.
 */
export async function readObject<Body extends object>(response: Response): Promise<Body> {
  const text = await response.text();
  try {
    const value: unknown = JSON.parse(text);
    if (isMembers(value)) return value as Body;
  } catch (error) {
    if (/^\s*\{/.test(text) && !text.trimEnd().endsWith("}")) {
      throw new KildeUnreachableError("The answer was cut off", { cause: error });
    }
  }
  throw new UnexpectedAnswerError(
    response.status,
    `The server answered with no JSON object: ${text.slice(0, 200)}`,
  );
}

/** The error that an answer stands for, built again from the problem's type. */
export async function errorOf(response: Response, nowMs: number): Promise<Error> {
  const text = await response.text().catch(() => "");
  let error: Error = new UnexpectedAnswerError(
    response.status,
    `The server answered ${response.status}: ${text.slice(0, 200)}`,
  );
  if (/^application\/problem\+json\b/i.test(response.headers.get("content-type") ?? "")) {
    const { type, detail, ...members } = problemOf(text) ?? {};
    const code = typeof type === "string" ? type.slice(type.lastIndexOf("/") + 1) : "";
    if (typeof type === "string" && type.includes(PROBLEM_PATH) && isProblemCode(code)) {
      error = new KildeError(code, String(detail), members);
    }
  }
  if (PASSING.has(response.status)) {
    const { headers } = response;
    const options = { date: headers.get("date"), nowMs, mostMs: Infinity };
    retryAfter.set(error, retryAfterMs(headers.get("retry-after"), options) ?? 0);
  }
  return error;
}

/** How long to wait before an attempt: half of it certain, half by chance, and no less than the server asks. */
export function backoffMs(
  { retry, random }: Pick<RequestDeps, "retry" | "random">,
  attempt: number,
  error: unknown,
): number {
  const asked = Math.min(retry.maxRetryAfterMs, error instanceof Error ? (retryAfter.get(error) ?? 0) : 0);
  const delay = Math.min(retry.maxDelayMs, retry.delayMs * 2 ** Math.min(30, attempt - 1));
  return Math.max(asked, delay / 2 + (delay / 2) * random());
}

/** Takes note of what an answer says about the event log. Answers about feeds name the identities of feeds. */
function noteKnown(known: Known, path: string, headers: Headers): void {
  const identity = headers.get("kilde-log");
  if (identity !== null && !path.startsWith("/feeds/") && identity !== known.identity) {
    // Positions of the former history mean other events now.
    if (known.identity !== null) known.position = 0;
    known.identity = identity;
  }
  const position = Number(headers.get("kilde-position"));
  if (position > known.position) known.position = position;
}

/** Sends a request once. A `HEAD` or `GET` for what does not exist is an error like any other. */
export async function sendOnce(deps: RequestDeps, path: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    const headers = { ...deps.headers, ...(init.headers as Record<string, string> | undefined) };
    response = await deps.fetch(deps.url + path, { ...init, headers });
  } catch (error) {
    if (init.signal?.aborted === true) throw error;
    throw new KildeUnreachableError(`No answer from ${deps.url}: ${String(error)}`, { cause: error });
  }
  noteKnown(deps.known, path, response.headers);
  if (response.ok) return response;
  // Its answer has no body, which would say what is wrong.
  if (init.method === "HEAD") return sendOnce(deps, path, { ...init, method: "GET" });
  throw await errorOf(response, deps.now());
}

/** Whether reading an answer failed for what it holds, and not because the connection was lost. */
function isAboutContent(error: unknown): boolean {
  return error instanceof UnreadableEventError || error instanceof UnexpectedAnswerError;
}

/** Reads the body of an answer; a connection that is lost meanwhile is an error like one that was never there. */
async function received<Body>(
  response: Response,
  read: (response: Response) => Promise<Body>,
  signal: AbortSignal | null | undefined,
): Promise<Body> {
  try {
    return await read(response);
  } catch (error) {
    if (signal?.aborted === true || isAboutContent(error)) throw error;
    throw new KildeUnreachableError(`The answer was cut off: ${String(error)}`, { cause: error });
  }
}

/** Sends a request that may be repeated, until an attempt succeeds, or fails for good, or they are used up. */
export async function send<Body>(
  deps: RequestDeps,
  path: string,
  init: RequestInit,
  read: (response: Response) => Promise<Body>,
  repeatable = true,
): Promise<Body> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await received(await sendOnce(deps, path, init), read, init.signal);
    } catch (error) {
      if (!repeatable || attempt >= deps.retry.attempts || !isPassing(error)) throw error;
      await deps.sleep(backoffMs(deps, attempt, error), init.signal ?? undefined);
    }
  }
}
