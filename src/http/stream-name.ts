import type { Context } from "hono";

import { KildeError } from "../core/errors.ts";
import { nameFault } from "../core/names.ts";
import type { AppDeps } from "./deps.ts";

/** The stream that the path names. */
export function streamNameOf(c: Context, deps: AppDeps): string {
  const name = c.req.param("stream") ?? "";
  checkStreamName(name, deps);
  return name;
}

/** Refuses a name that no stream can have. */
export function checkStreamName(name: string, { limits }: AppDeps): void {
  const fault = nameFault(name, limits.streamNameBytes);
  if (fault === null) return;
  throw new KildeError("invalid-parameter", `The stream name ${fault}`, {
    errors: [{ parameter: "stream", detail: fault }],
  });
}
