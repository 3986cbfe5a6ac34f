import { systemClock } from "../core/system-clock.ts";
import type { Job } from "../jobs/job.ts";
import { type LoopOptions, type RunningJob, startLoop } from "../jobs/loop.ts";

/** Runs a job in a loop with the machine's own clock and randomness. */
export function startServerLoop(
  job: Job,
  backoff: LoopOptions["backoff"],
  onFailure: LoopOptions["onFailure"],
): RunningJob {
  return startLoop(job, { clock: systemClock, chance: () => Math.random(), backoff, onFailure });
}
