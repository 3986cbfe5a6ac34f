import type { Clock } from "../core/clock.ts";

/** Repeats work every `ms`, one run at a time, until the signal aborts. */
export async function every(
  clock: Clock,
  ms: number,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(ms, signal);
    if (!signal.aborted) await work();
  }
}
