import type { Context } from "hono";

import { KildeError } from "../../core/errors.ts";
import { nameFault } from "../../core/names.ts";
import type { AppDeps } from "../deps.ts";

/** Returns the subject that the path names: a `stream` of the event log or a `subject` of a feed. */
export function subjectNameOf(c: Context, deps: AppDeps, parameter: "stream" | "subject" = "stream"): string {
  const name = c.req.param(parameter) ?? "";
  checkSubjectName(name, deps, parameter);
  return name;
}

/** Throws a KildeError for a name that no subject can have. */
export function checkSubjectName(
  name: string,
  { limits }: AppDeps,
  parameter: "stream" | "subject" = "stream",
): void {
  const fault = nameFault(name, limits.streamNameBytes);
  if (fault === null) return;
  throw new KildeError("invalid-parameter", `The ${parameter} name ${fault}`, {
    errors: [{ parameter, detail: fault }],
  });
}
