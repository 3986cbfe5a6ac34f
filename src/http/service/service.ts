import type { Context } from "hono";

import { isProblemCode, KildeError, PROBLEMS } from "../../core/errors.ts";
import { readSweepBacklog } from "../../log/erase/sweeper.ts";
import type { AppDeps } from "../deps.ts";

/** A write that takes longer than this is too slow to be called ready, in milliseconds. */
const READY_DEADLINE_MS = 2_000;

/** How long a write takes, in milliseconds. Throws where it does not go through within its deadline. */
async function probe({ writer, clock, closing }: AppDeps): Promise<number> {
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

/** Erased data should be gone from storage after this; later than that somebody should look. */
const SWEEP_DEADLINE_MS = 60_000;

/** What is wrong with the sweep: data that was erased is still in storage. */
export interface LateSweep {
  /** Erasures of which storage may still hold data, and when the first of them was recorded. */
  readonly erasures: number;
  readonly since: string | null;
  /** Attempts of this process that failed, since the last that succeeded, and why. */
  readonly attempts: number;
  readonly error: string | null;
}

async function lateSweep({ database, sweepFailure, clock }: AppDeps): Promise<LateSweep | null> {
  const { erasures, since } = await readSweepBacklog(database);
  const failure = sweepFailure();
  const isLate = since !== null && clock.now() - Date.parse(since) > SWEEP_DEADLINE_MS;
  if (failure === null && !isLate) return null;
  return { erasures, since, attempts: failure?.attempts ?? 0, error: failure?.error ?? null };
}

export type Readiness =
  | { readonly status: "ready"; readonly writeMs: number }
  | { readonly status: "degraded"; readonly writeMs: number; readonly sweep: LateSweep };

/**
 * Whether a write goes through. `degraded`: it does, so the server stays in service, but somebody should look. Throws
 * where it does not.
 */
export async function readiness(deps: AppDeps): Promise<Readiness> {
  const writeMs = await probe(deps);
  const sweep = await lateSweep(deps);
  return sweep === null ? { status: "ready", writeMs } : { status: "degraded", writeMs, sweep };
}

/** `GET /ready`: a write went through to storage within its deadline. */
export async function getReady(c: Context, deps: AppDeps): Promise<Response> {
  return c.json(await readiness(deps), 200, { "Cache-Control": "no-store" });
}

/** `GET /problems/{code}`: what a problem's `type` leads to. */
export function getProblem(c: Context): Response {
  const code = c.req.param("code") ?? "";
  if (!isProblemCode(code))
    throw new KildeError("not-found", `There is no problem type ${JSON.stringify(code)}`);
  return c.json({ code, ...PROBLEMS[code] });
}
