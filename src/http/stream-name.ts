import type { Context } from "hono";

import { KildeError } from "../core/errors.ts";
import { nameFault } from "../core/names.ts";
import type { AppDeps } from "./deps.ts";

/** The subject that the path names, a `stream` of the event log or a `subject` of a feed. */
export function subjectNameOf(
  c: Context,
  { limits }: AppDeps,
  parameter: "stream" | "subject" = "stream",
): string {
  const name = c.req.param(parameter) ?? "";
  const fault = nameFault(name, limits.streamNameBytes);
  if (fault === null) return name;
  throw new KildeError("invalid-parameter", `The ${parameter} name ${fault}`, {
    errors: [{ parameter, detail: fault }],
  });
}
