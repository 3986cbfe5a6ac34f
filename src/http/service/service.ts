import type { Context } from "hono";

import { isProblemCode, KildeError } from "../../core/errors.ts";
import { PROBLEMS } from "../../core/problems.ts";
import { readSweepBacklog } from "../../log/erase/sweeper.ts";
import { knownError, senderOf } from "../pipeline/authorization.ts";
import type { AppDeps } from "../deps.ts";
import { jsonAnswer } from "../wire/json-answer.ts";

/** Longest write of a store that is ready, in milliseconds. */
const READY_DEADLINE_MS = 2_000;

/** Measures a write, in milliseconds. Throws when it fails or exceeds its deadline. */
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

/** Time until storage should hold no erased data, in milliseconds. After that an operator should investigate. */
const SWEEP_DEADLINE_MS = 60_000;

/** A sweep that is late: storage still holds erased data. */
export interface LateSweep {
  /** Erasures whose data storage may still hold, and the time of the first. */
  readonly erasures: number;
  readonly since: string | null;
  /** Attempts of this process that failed since the last success, and the last error. */
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
 * Tries a write. `degraded`: it succeeds, so the server stays in service, but an operator should investigate. Throws
 * when it fails.
 */
export async function readiness(deps: AppDeps): Promise<Readiness> {
  const writeMs = await probe(deps);
  const sweep = await lateSweep(deps);
  return sweep === null ? { status: "ready", writeMs } : { status: "degraded", writeMs, sweep };
}

const FRESH = { "Cache-Control": "no-store" };

/** `GET /ready`: storage accepted a write within the deadline. Senders without credentials get the status alone. */
export async function getReady(c: Context, deps: AppDeps): Promise<Response> {
  if (knownError(senderOf(c)) === null) return jsonAnswer(c, await readiness(deps), 200, FRESH);
  try {
    const { status } = await readiness(deps);
    return jsonAnswer(c, { status }, 200, FRESH);
  } catch (error) {
    if (!(error instanceof KildeError)) throw error;
    throw new KildeError(error.code, "The store is not ready");
  }
}

/** `GET /problems/{code}`: the page that a problem's `type` links to. */
export function getProblem(c: Context): Response {
  const code = c.req.param("code") ?? "";
  if (!isProblemCode(code))
    throw new KildeError("not-found", `There is no problem type ${JSON.stringify(code)}`);
  return jsonAnswer(c, { code, ...PROBLEMS[code] });
}
