import type { Clock } from "../core/clock.ts";
import type { Job } from "../jobs/job.ts";
import { startLoop } from "../jobs/loop.ts";

/** Time with hardly any work after which memory is released. */
const IDLE_MS = 5_000;

/** The part of worthwhile work that is hardly any, or a server that always gets a few appends would never release memory. */
const LITTLE = 0.05;

/** Delays after a release that failed. */
const BACKOFF = { firstMs: IDLE_MS, lastMs: 60_000 };

export interface MemoryReleaseDeps {
  /** Releases memory that is not needed while no work is done. */
  readonly release: () => void;
  /** Work after which there is something to release, in any unit. */
  readonly worthwhile: number;
  readonly clock: Clock;
  /** Called after each release that failed; the memory stays with the caches, which have a bound. */
  readonly onFailure: (error: unknown) => void;
}

export interface MemoryRelease {
  /** Counts work that has ended. */
  record(work: number): void;
  /** Resolves when no release follows. */
  close(): Promise<void>;
}

/** Releases memory once when the work pauses, if so much was done that caches are filled. */
export function startMemoryRelease({
  release,
  worthwhile,
  clock,
  onFailure,
}: MemoryReleaseDeps): MemoryRelease {
  /** Work since the last release. */
  let done = 0;
  /** Work until the last look. */
  let seen = 0;
  const job: Job = {
    name: "release-memory",
    async run() {
      if (done < worthwhile) return "idle";
      const isPaused = done - seen <= worthwhile * LITTLE;
      seen = done;
      if (!isPaused) return { restMs: IDLE_MS };
      release();
      done = 0;
      seen = 0;
      return "idle";
    },
  };
  const loop = startLoop(job, { clock, chance: () => 0, backoff: BACKOFF, onFailure });
  return {
    record(work) {
      done += work;
      if (done >= worthwhile) loop.wake();
    },
    close: () => loop.close(),
  };
}
