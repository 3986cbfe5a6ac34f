import type { Clock } from "../core/clock.ts";
import type { Job, Slice } from "./job.ts";

export interface RunSlicesDeps {
  readonly clock: Clock;
  /** Returns a signal that aborts when one of `parts` equal parts of the granted calls is spent; see `Calls`. */
  readonly share: (parts: number) => AbortSignal;
  readonly onFailure: (job: string, error: unknown) => void;
}

/**
 * Gives each job a slice in turn, and again while one of them changed something, since another job may wait for that:
 * a feed may be projected from a feed. Each slice is an equal part of the remaining time and calls, but large enough
 * to make progress, so a busy job starves no other; the others get the part that a job leaves. Calls may not suffice
 * for all of many jobs, so the caller begins with another one each time.
 */
export async function runSlices(
  jobs: readonly Job[],
  { deadline, signal }: Slice,
  { clock, share, onFailure }: RunSlicesDeps,
): Promise<void> {
  let left = jobs;
  while (left.length > 0 && !signal.aborted) {
    let hasProgressed = false;
    const failed = new Set<Job>();
    for (const [index, job] of left.entries()) {
      if (signal.aborted) return;
      const parts = left.length - index;
      const now = clock.monotonic();
      const slice = {
        deadline: now + (deadline - now) / parts,
        signal: AbortSignal.any([signal, share(parts)]),
      };
      try {
        hasProgressed = (await job.run(slice)) === "progressed" || hasProgressed;
      } catch (error) {
        failed.add(job);
        onFailure(job.name, error);
      }
    }
    if (!hasProgressed) return;
    left = left.filter((job) => !failed.has(job));
  }
}
