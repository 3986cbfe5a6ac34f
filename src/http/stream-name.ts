import type { Context } from "hono";

import { KildeError } from "../core/errors.ts";
import { nameFault } from "../core/names.ts";
import type { AppDeps } from "./deps.ts";

/** The stream that the path names. */
export function streamNameOf(c: Context, { limits }: AppDeps): string {
  const name = c.req.param("stream") ?? "";
  const fault = nameFault(name, limits.streamNameBytes);
  if (fault === null) return name;
  throw new KildeError("invalid-parameter", `The stream name ${fault}`, {
    errors: [{ parameter: "stream", detail: fault }],
  });
}
