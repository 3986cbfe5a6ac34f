import { isErrorNamed } from "../core/errors.ts";
import { TokenFailure } from "./token.ts";

export interface UnreachableOptions extends ErrorOptions {
  readonly isOutcomeUnknown?: boolean;
  readonly idempotencyKey?: string | null;
  readonly waitedMs?: number;
}

/** The server could not be reached, did not answer in time, or the connection was lost. */
export class KildeUnreachableError extends Error {
  static override [Symbol.hasInstance](value: unknown): boolean {
    return isErrorNamed(value, "KildeUnreachableError");
  }

  override readonly name = "KildeUnreachableError";
  /** The server may have executed the request, which changes something. */
  readonly isOutcomeUnknown: boolean;
  /** Idempotency key of an append whose outcome is unknown, for `findAppend`. */
  readonly idempotencyKey: string | null;
  /** Time that the last attempt waited for the server, in milliseconds; 0 when the connection failed earlier. */
  readonly waitedMs: number;

  constructor(message: string, options: UnreachableOptions = {}) {
    super(message, options);
    this.isOutcomeUnknown = options.isOutcomeUnknown ?? false;
    this.idempotencyKey = options.idempotencyKey ?? null;
    this.waitedMs = options.waitedMs ?? 0;
  }
}

/** Error codes of Node, Bun and Deno for a connection that was never established, so that the request was not sent. */
const NOT_SENT = new Set([
  "ECONNREFUSED",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "UND_ERR_CONNECT_TIMEOUT",
  "ConnectionRefused",
  "FailedToOpenSocket",
]);

/** Whether a failure shows that the request never reached the server. */
export function wasNotSent(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof TokenFailure) return true;
    if ("code" in cause && NOT_SENT.has(String(cause.code))) return true;
    // Deno has no error codes.
    if (/^error sending request .*(connection refused|dns error)/i.test(cause.message)) return true;
  }
  return false;
}
