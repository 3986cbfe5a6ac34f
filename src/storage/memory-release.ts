import type { Clock } from "../core/clock.ts";
import type { Job } from "../jobs/job.ts";
import { startLoop } from "../jobs/loop.ts";

/** Time without work after which memory is released. */
const IDLE_MS = 5_000;

/** Delays after a release that failed. */
const BACKOFF = { firstMs: IDLE_MS, lastMs: 60_000 };

export interface MemoryReleaseDeps {
  /** Releases memory that is not needed while no work is done. */
  readonly release: () => void;
  /** Work after which there is something to release, in any unit. */
  readonly worthwhile: number;
  readonly clock: Clock;
}

export interface MemoryRelease {
  /** Counts work that has ended. */
  record(work: number): void;
  /** Resolves when no release follows. */
  close(): Promise<void>;
}

/** Releases memory once when the work pauses, if so much was done that caches are filled. */
export function startMemoryRelease({ release, worthwhile, clock }: MemoryReleaseDeps): MemoryRelease {
  /** Work since the last release. */
  let done = 0;
  let lastWork = -Infinity;
  const job: Job = {
    name: "release-memory",
    async run() {
      if (done < worthwhile) return "idle";
      const restMs = lastWork + IDLE_MS - clock.monotonic();
      if (restMs > 0) return { restMs };
      release();
      done = 0;
      return "idle";
    },
  };
  const loop = startLoop(job, { clock, chance: () => 0, backoff: BACKOFF, onFailure: () => {} });
  return {
    record(work) {
      done += work;
      lastWork = clock.monotonic();
      if (done >= worthwhile) loop.wake();
    },
    close: () => loop.close(),
  };
}
