import { backoffMs } from "../client/retry.ts";
import { outageBackoff } from "./blocked.ts";
import type { EngineParts } from "./engine-parts.ts";
import { LogRestoredError } from "./restore.ts";

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Repeats work until the signal aborts, with growing delays while it fails. */
export async function persist<Tx>(
  { deps, options, health, retirement }: EngineParts<Tx>,
  signal: AbortSignal,
  work: () => Promise<void>,
): Promise<void> {
  const { clock, random, report } = deps;
  for (let failures = 0; !signal.aborted;) {
    try {
      await work();
      return;
    } catch (error) {
      if (signal.aborted || retirement.note(error)) return;
      if (error instanceof LogRestoredError) {
        // The consumer cannot continue, which is reported once.
        if (health.halt(error)) report(error);
        await aborted(signal);
        return;
      }
      // The work succeeded in between, so the delays start again.
      failures = health.isFailing ? failures + 1 : 1;
      health.fail(error);
      report(error);
      await clock.sleep(backoffMs(outageBackoff(options.backoff), failures, random), signal);
    }
  }
}
