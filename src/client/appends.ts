import { KildeError } from "../core/errors.ts";
import { readObject } from "./parse-answer.ts";
import { type RequestDeps, send } from "./request.ts";
import type { Appended } from "./types.ts";

/** Fetches the result of the append with an idempotency key; null when the server has none. */
export async function findAppend(
  deps: RequestDeps,
  idempotencyKey: string,
): Promise<readonly Appended[] | null> {
  try {
    const path = `/appends/${encodeURIComponent(idempotencyKey)}`;
    return (await send(deps, path, {}, readObject<{ results: Appended[] }>)).results;
  } catch (error) {
    if (error instanceof KildeError && error.code === "append-not-found") return null;
    throw error;
  }
}
