import type { z } from "zod";

import { KildeError, PROBLEM_PATH, type ProblemCode, type ProblemDetail, PROBLEMS } from "../core/errors.ts";
import { jsonPointer } from "../core/json-pointer.ts";
import { POSITION_HEADER } from "./position.ts";

/** When a client may try again, in seconds. */
const RETRY_AFTER_SECONDS = 1;

/** The body of an error answer: RFC 9457 problem details. */
function problemOf(error: KildeError, basePath: string): Record<string, unknown> {
  const { status, title, remedy } = PROBLEMS[error.code];
  return {
    type: basePath + PROBLEM_PATH + error.code,
    title,
    status,
    detail: error.message,
    remedy,
    ...error.members,
  };
}

/** The one place where an error becomes an answer; `path` is what was asked for, below the `basePath`. */
export function problemResponse(path: string, error: KildeError, basePath: string): Response {
  const { status } = PROBLEMS[error.code];
  const headers = new Headers({ "Content-Type": "application/problem+json", "Cache-Control": "no-store" });
  if (status === 503) headers.set("Retry-After", String(RETRY_AFTER_SECONDS));
  const { currentVersion, head } = error.members;
  if (currentVersion !== undefined) {
    headers.set("ETag", `"${currentVersion}"`);
    if (head !== undefined) headers.set(POSITION_HEADER, String(head));
  }
  return new Response(JSON.stringify({ ...problemOf(error, basePath), instance: basePath + path }), {
    status,
    headers,
  });
}

/** An error that names what is wrong with a body, by JSON pointer, or with parameters, by name. */
export function validationError(
  code: Extract<ProblemCode, "invalid-body" | "invalid-parameter">,
  issues: readonly z.core.$ZodIssue[],
): KildeError {
  const errors = issues.flatMap((issue): ProblemDetail[] => {
    const at = (path: readonly PropertyKey[], detail: string): ProblemDetail =>
      code === "invalid-body"
        ? { pointer: jsonPointer(path), detail }
        : { parameter: String(path[0] ?? ""), detail };
    return issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => at([...issue.path, key], "Not known here"))
      : [at(issue.path, issue.message)];
  });
  const first = errors[0];
  const where = first?.pointer ?? first?.parameter ?? "";
  return new KildeError(code, `${where === "" ? "The body" : where}: ${first?.detail ?? "not valid"}`, {
    errors,
  });
}
