import { sleep } from "../core/timer.ts";

/** Resolves after `ms`; rejects with the signal's reason when it aborts. */
export async function sleepFor(ms: number, signal?: AbortSignal): Promise<void> {
  await sleep(ms, signal);
  signal?.throwIfAborted();
}
