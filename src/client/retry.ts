import { KildeError } from "../core/errors.ts";
import type { RequestDeps } from "./request.ts";
import { UnexpectedAnswerError } from "./unexpected-answer.ts";
import { KildeUnreachableError } from "./unreachable.ts";

export interface Retry {
  /** Most attempts for a request. */
  readonly attempts: number;
  /** Delay before the second attempt in milliseconds; it doubles for each further attempt, up to `maxDelayMs`. */
  readonly delayMs: number;
  readonly maxDelayMs: number;
  /** Upper bound for the server's `Retry-After`, in milliseconds. */
  readonly maxRetryAfterMs: number;
}

/** Default upper bound for `Retry-After`. */
export const MAX_RETRY_AFTER_MS = 3_600_000;

/** Statuses of a proxy, or of a server that starts or stops: the same request may succeed soon. */
const PASSING = new Set([429, 502, 503, 504]);

export function isPassingStatus(status: number): boolean {
  return PASSING.has(status);
}

export function isPassing(error: unknown): boolean {
  if (error instanceof KildeUnreachableError) return true;
  if (error instanceof UnexpectedAnswerError) return PASSING.has(error.status);
  return error instanceof KildeError && retryAfter.has(error);
}

/** Errors to retry, with the wait that the server requests, in milliseconds. */
const retryAfter = new WeakMap<Error, number>();

export function noteRetryAfter(error: Error, ms: number): void {
  retryAfter.set(error, ms);
}

/** Delay after so many failed attempts, in milliseconds: half fixed and half random. */
export function backoffMs(
  { delayMs, maxDelayMs }: Pick<Retry, "delayMs" | "maxDelayMs">,
  failures: number,
  random: () => number,
): number {
  const delay = Math.min(maxDelayMs, delayMs * 2 ** Math.min(30, failures - 1));
  return delay / 2 + (delay / 2) * random();
}

/** Delay before a request is sent again, in milliseconds: at least the server's `Retry-After`. */
export function requestRetryMs(
  { retry, random }: Pick<RequestDeps, "retry" | "random">,
  failures: number,
  error: unknown,
): number {
  const asked = Math.min(retry.maxRetryAfterMs, error instanceof Error ? (retryAfter.get(error) ?? 0) : 0);
  // The time that an attempt waited in vain counts as delay.
  const waited = error instanceof KildeUnreachableError ? error.waitedMs : 0;
  return Math.max(asked, backoffMs(retry, failures, random) - waited, 0);
}
