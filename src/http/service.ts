import type { Context } from "hono";

import { isProblemCode, KildeError, PROBLEMS } from "../core/errors.ts";
import type { AppDeps } from "./deps.ts";

/** A write that takes longer than this is too slow to be called ready, in milliseconds. */
const READY_DEADLINE_MS = 2_000;

/** How long a write takes, in milliseconds. Throws where it does not go through within its deadline. */
export async function probe({ writer, clock, closing }: AppDeps): Promise<number> {
  if (closing.aborted) throw new KildeError("shutting-down", "The server is shutting down");
  const started = clock.monotonic();
  const done = new AbortController();
  const outcome = await Promise.race([
    writer.probe().then(() => "written" as const),
    clock.sleep(READY_DEADLINE_MS, done.signal).then(() => "late" as const),
  ]).finally(() => done.abort());
  if (outcome === "late") {
    throw new KildeError("storage-unavailable", `A write took longer than ${READY_DEADLINE_MS} ms`);
  }
  return Math.round(clock.monotonic() - started);
}

/** `GET /ready`: a write went through to storage within its deadline. */
export async function getReady(c: Context, deps: AppDeps): Promise<Response> {
  return c.json({ status: "ready", writeMs: await probe(deps) }, 200, { "Cache-Control": "no-store" });
}

/** `GET /problems/{code}`: what a problem's `type` leads to. */
export function getProblem(c: Context): Response {
  const code = c.req.param("code") ?? "";
  if (!isProblemCode(code))
    throw new KildeError("not-found", `There is no problem type ${JSON.stringify(code)}`);
  return c.json({ code, ...PROBLEMS[code] });
}
