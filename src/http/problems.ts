import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import type { z } from "zod";

import { KildeError, PROBLEM_PATH, type ProblemCode, type ProblemDetail, PROBLEMS } from "../core/errors.ts";
import { jsonPointer } from "../core/json-pointer.ts";

/** When a client may try again, in seconds. */
const RETRY_AFTER_SECONDS = 1;

/** The body of an error answer: RFC 9457 problem details. */
function problemOf(error: KildeError): Record<string, unknown> {
  const { status, title, remedy } = PROBLEMS[error.code];
  return { type: PROBLEM_PATH + error.code, title, status, detail: error.message, remedy, ...error.members };
}

/** The one place where an error becomes an answer. */
export function problemResponse(c: Context, error: KildeError): Response {
  const { status } = PROBLEMS[error.code];
  if (status === 503) c.header("Retry-After", String(RETRY_AFTER_SECONDS));
  c.header("Cache-Control", "no-store");
  if (error.members.currentVersion !== undefined) c.header("ETag", `"${error.members.currentVersion}"`);
  const body = { ...problemOf(error), instance: c.req.path };
  return c.body(JSON.stringify(body), status as ContentfulStatusCode, {
    "Content-Type": "application/problem+json",
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
