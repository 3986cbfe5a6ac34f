import { errorText } from "../core/error-text.ts";
import type { ConsumerEvent } from "./types.ts";

/** The failure that blocks a subject. */
export interface HandlerFailure {
  readonly message: string;
  /** Version and type of the event that failed; null when it could not be read. */
  readonly version: number | null;
  readonly type: string | null;
  /** Number of attempts. */
  readonly attempts: number;
  /** Time of the first failure; RFC 3339. */
  readonly since: string;
}

/** A handler threw; `cause` is the thrown value. */
export class HandlerError extends Error {
  override readonly name = "HandlerError";
  readonly subject: string;
  readonly version: number;
  readonly type: string;

  constructor({ subject, version, type }: ConsumerEvent, cause: unknown) {
    const reason = errorText(cause);
    super(`The handler failed at ${type} of ${JSON.stringify(subject)}, version ${version}: ${reason}`, {
      cause,
    });
    this.subject = subject;
    this.version = version;
    this.type = type;
  }
}

/** The failure after a further failed attempt. */
export function failedAgain(before: string | null, error: unknown, now: number): HandlerFailure {
  const last = before === null ? null : (JSON.parse(before) as HandlerFailure);
  const at =
    error instanceof HandlerError
      ? { version: error.version, type: error.type }
      : { version: null, type: null };
  return {
    // Every database accepts this as text.
    message: errorText(error).replaceAll("\0", "").toWellFormed(),
    ...at,
    attempts: (last?.attempts ?? 0) + 1,
    since: last?.since ?? new Date(now).toISOString(),
  };
}
