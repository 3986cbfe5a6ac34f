import type { z } from "zod";

import { KildeError, PROBLEM_PATH, type ProblemCode } from "../../core/errors.ts";
import { PROBLEMS } from "../../core/problems.ts";
import { utf8Bytes } from "../../core/names.ts";
import { jsonPointer } from "../../core/json-pointer.ts";
import type { ProblemDetail } from "../../core/problem-members.ts";
import { LOG_HEADER, streamTag } from "../log/log-identity.ts";
import { POSITION_HEADER } from "../log/position.ts";

/** Default delay before a retry, in seconds. */
const RETRY_AFTER_SECONDS = 1;

/** Longest delay before a retry, in seconds: a build may become faster. */
const LONGEST_RETRY_AFTER_SECONDS = 60;

/** Returns the delay before a retry, in seconds. A feed that is being built states when it expects to be ready. */
function retryAfterSeconds({ members: { progress, retryAfterSeconds: stated } }: KildeError): number {
  if (stated !== undefined) return stated;
  const expected = progress?.secondsLeft ?? RETRY_AFTER_SECONDS;
  return Math.min(LONGEST_RETRY_AFTER_SECONDS, Math.max(RETRY_AFTER_SECONDS, expected));
}

/** Most faults that a problem lists. A hostile body may have a million. */
export const LISTED_FAULTS = 20;

/** Longest text within a problem, in characters: the text may quote the request. */
const TEXT_CHARACTERS = 1_000;

function shortened(text: string): string {
  return text.length <= TEXT_CHARACTERS ? text : `${text.slice(0, TEXT_CHARACTERS).toWellFormed()}…`;
}

function problemEntry({ pointer, parameter, detail }: ProblemDetail): ProblemDetail {
  return {
    ...(pointer === undefined ? {} : { pointer: shortened(pointer) }),
    ...(parameter === undefined ? {} : { parameter: shortened(parameter) }),
    detail: shortened(detail),
  };
}

/** Returns the body of an error answer: RFC 9457 problem details. Its size is bounded for every request. */
function problemOf(error: KildeError, basePath: string): Record<string, unknown> {
  const { status, title, remedy } = PROBLEMS[error.code];
  const { errors, errorCount = errors?.length, ...members } = error.members;
  return {
    type: basePath + PROBLEM_PATH + error.code,
    title,
    status,
    detail: shortened(error.message),
    remedy,
    ...members,
    ...(errors === undefined ? {} : { errors: errors.slice(0, LISTED_FAULTS).map(problemEntry), errorCount }),
  };
}

/** Returns the challenge to send other credentials (RFC 6750 §3). */
function challengeOf({ code, members }: KildeError): string | null {
  if (code === "forbidden") return 'Bearer realm="kilde", error="insufficient_scope"';
  if (code !== "unauthenticated") return null;
  return members.credentials === "invalid"
    ? 'Bearer realm="kilde", error="invalid_token"'
    : 'Bearer realm="kilde"';
}

/** Returns the text of a problem about a path below `basePath`. */
function problemText(path: string, error: KildeError, basePath: string, more: object = {}): string {
  return JSON.stringify({ ...problemOf(error, basePath), ...more, instance: basePath + path });
}

function isPassing(status: number): boolean {
  return status === 503 || status === 429;
}

/**
 * Returns the text of a problem that is a part of an answer. It states the delay before a retry itself, since it has
 * no header for it.
 */
export function partialProblem(path: string, error: KildeError, basePath: string): string {
  const delay = isPassing(PROBLEMS[error.code].status) ? { retryAfterSeconds: retryAfterSeconds(error) } : {};
  return problemText(path, error, basePath, delay);
}

/** Turns an error into an answer; nothing else does. `path` is the requested path below `basePath`. */
export function problemResponse(path: string, error: KildeError, basePath: string): Response {
  const { status } = PROBLEMS[error.code];
  const headers = new Headers({ "Content-Type": "application/problem+json", "Cache-Control": "no-store" });
  // The server does not wait for the rest of the body (RFC 9110 §15.5.9).
  if (status === 408 || error.members.limit === "bodiesBytes") headers.set("Connection", "close");
  if (isPassing(status)) headers.set("Retry-After", String(retryAfterSeconds(error)));
  const challenge = challengeOf(error);
  if (challenge !== null) headers.set("WWW-Authenticate", challenge);
  const { currentVersion, head, log } = error.members;
  if (log !== undefined) headers.set(LOG_HEADER, log);
  if (currentVersion !== undefined) {
    if (log !== undefined) headers.set("ETag", streamTag(currentVersion, log));
    if (head !== undefined) headers.set(POSITION_HEADER, String(head));
  }
  const text = problemText(path, error, basePath);
  headers.set("Content-Length", String(utf8Bytes(text)));
  return new Response(text, { status, headers });
}

/** Returns the number of faults in an issue: an issue may list several unknown members. */
function faultsOf(issue: z.core.$ZodIssue): number {
  return issue.code === "unrecognized_keys" ? issue.keys.length : 1;
}

/** Returns an error that locates the faults of a body by JSON pointer, or of parameters by name. */
export function validationError(
  code: Extract<ProblemCode, "invalid-body" | "invalid-parameter">,
  issues: readonly z.core.$ZodIssue[],
): KildeError {
  const at = (path: readonly PropertyKey[], detail: string): ProblemDetail =>
    code === "invalid-body"
      ? { pointer: jsonPointer(path), detail }
      : { parameter: String(path[0] ?? ""), detail };
  const errors = issues
    .slice(0, LISTED_FAULTS)
    .flatMap((issue): ProblemDetail[] =>
      issue.code === "unrecognized_keys"
        ? issue.keys.slice(0, LISTED_FAULTS).map((key) => at([...issue.path, key], "Not known here"))
        : [at(issue.path, issue.message)],
    )
    .slice(0, LISTED_FAULTS);
  const errorCount = issues.reduce((total, issue) => total + faultsOf(issue), 0);
  const first = errors[0];
  const where = first?.pointer ?? first?.parameter ?? "";
  return new KildeError(code, `${where === "" ? "The body" : where}: ${first?.detail ?? "not valid"}`, {
    errors,
    errorCount,
  });
}
