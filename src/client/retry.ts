import { KildeError } from "../core/errors.ts";
import type { RequestDeps } from "./request.ts";
import { UnexpectedAnswerError } from "./unexpected-answer.ts";
import { KildeUnreachableError } from "./unreachable.ts";

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

/** Answers of a proxy or of a server that starts or stops: the same request may well succeed soon. */
const PASSING = new Set([429, 502, 503, 504]);

export function isPassingStatus(status: number): boolean {
  return PASSING.has(status);
}

export function isPassing(error: unknown): boolean {
  if (error instanceof KildeUnreachableError) return true;
  if (error instanceof UnexpectedAnswerError) return PASSING.has(error.status);
  return error instanceof KildeError && retryAfter.has(error);
}

/** Errors that are worth another attempt, with how long the server asks to wait for it, in milliseconds. */
const retryAfter = new WeakMap<Error, number>();

export function noteRetryAfter(error: Error, ms: number): void {
  retryAfter.set(error, ms);
}

/** How long to wait before an attempt: half of it certain, half by chance, and no less than the server asks. */
export function backoffMs(
  { retry, random }: Pick<RequestDeps, "retry" | "random">,
  attempt: number,
  error: unknown,
): number {
  const asked = Math.min(retry.maxRetryAfterMs, error instanceof Error ? (retryAfter.get(error) ?? 0) : 0);
  const delay = Math.min(retry.maxDelayMs, retry.delayMs * 2 ** Math.min(30, attempt - 1));
  // An attempt that waited for the server in vain was itself a wait.
  const waited = error instanceof KildeUnreachableError ? error.waitedMs : 0;
  return Math.max(asked, delay / 2 + (delay / 2) * random() - waited, 0);
}
