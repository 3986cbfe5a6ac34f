import type { ProblemMembers } from "./problem-members.ts";

/**
 * The closed list of errors that a caller can get; `problems.ts` has their texts. A code is stable: it is the last segment of
 * the problem's `type` (RFC 9457 §3.1.1), and the client rebuilds the error from it.
 */
const PROBLEM_CODES = [
  "malformed-json",
  "invalid-target",
  "invalid-parameter",
  "cursor-beyond-head",
  "log-restored",
  "cursor-moved-back",
  "feed-retired",
  "feed-in-use",
  "feed-published",
  "consumer-not-found",
  "subscription-not-found",
  "subject-not-blocked",
  "correlations-off",
  "endpoint-refuses",
  "secrets-not-kept",
  "unauthenticated",
  "forbidden",
  "too-many-failures",
  "too-many-requests",
  "store-not-secured",
  "issuer-unavailable",
  "sign-in-failed",
  "key-not-found",
  "key-name-taken",
  "key-ended",
  "cross-site-request",
  "misdirected-request",
  "not-found",
  "tenant-not-found",
  "stream-not-found",
  "append-not-found",
  "feed-not-found",
  "subject-not-found",
  "method-not-allowed",
  "not-acceptable",
  "version-conflict",
  "stream-erased",
  "stream-truncated",
  "precondition-failed",
  "body-too-large",
  "incomplete-body",
  "unsupported-media-type",
  "invalid-body",
  "limit-exceeded",
  "idempotency-key-reused",
  "too-many-followers",
  "overloaded",
  "projection-failed",
  "feed-behind",
  "replica-behind",
  "storage-full",
  "storage-unavailable",
  "shutting-down",
  "internal",
] as const;

export type ProblemCode = (typeof PROBLEM_CODES)[number];

/**
 * Whether a value is an error with this name. Each entry of the package (`kilde/client`, `kilde/embed` …) has its own
 * copies of the error classes, and an entry must recognize the errors of another, so `instanceof` does not do.
 */
export function isErrorNamed(value: unknown, name: string): boolean {
  return value instanceof Error && value.name === name;
}

/** An error that is reported to the caller as a problem. */
export class KildeError extends Error {
  static override [Symbol.hasInstance](value: unknown): boolean {
    return isErrorNamed(value, "KildeError");
  }

  override readonly name = "KildeError";
  readonly code: ProblemCode;
  readonly members: ProblemMembers;

  constructor(code: ProblemCode, detail: string, members: ProblemMembers = {}, options?: ErrorOptions) {
    super(detail, options);
    this.code = code;
    this.members = members;
  }
}

/** Path of the documentation of problem types, and the prefix of their `type`. */
export const PROBLEM_PATH = "/problems/";

export function isProblemCode(code: string): code is ProblemCode {
  return (PROBLEM_CODES as readonly string[]).includes(code);
}
