import type { Clock } from "../../core/clock.ts";
import type { Job } from "../../jobs/job.ts";
import { startLoop } from "../../jobs/loop.ts";

/** Time during which the process has to be idle before garbage is collected, in milliseconds. */
const IDLE_MS = 1_000;

/** CPU time of all threads within that time at which a process is idle, in milliseconds. */
const IDLE_CPU_MS = 100;

/** Time until a busy process is looked at again, and shortest time between two collections, in milliseconds. */
const REST_MS = 10_000;

const BACKOFF = { firstMs: REST_MS, lastMs: REST_MS };

export interface GarbageReleaseDeps {
  /** Collects the garbage of this thread; nothing else runs meanwhile. */
  readonly collect: () => void;
  /** CPU time that the process has used so far, in milliseconds. */
  readonly cpuMs: () => number;
  readonly clock: Clock;
  readonly onFailure: (error: unknown) => void;
}

export interface GarbageRelease {
  /** Has garbage collected once the process is idle. */
  request(): void;
  /** Resolves when no collection follows. */
  close(): Promise<void>;
}

/**
 * Collects the garbage that a load has left, once for all stores of a process. The thread that answers stands still for the
 * collection: 5 ms in a small store, and half a second with a million live objects, as those of many followers. So it happens only while the process is
 * idle; a busy one collects its garbage in small steps anyway.
 */
export function startGarbageRelease({
  collect,
  cpuMs,
  clock,
  onFailure,
}: GarbageReleaseDeps): GarbageRelease {
  let isRequested = false;
  const job: Job = {
    name: "release-garbage",
    async run({ signal }) {
      if (!isRequested) return "idle";
      const before = cpuMs();
      await clock.sleep(IDLE_MS, signal);
      if (signal.aborted) return "over";
      if (cpuMs() - before <= IDLE_CPU_MS) {
        isRequested = false;
        collect();
      }
      return { restMs: REST_MS };
    },
  };
  const loop = startLoop(job, { clock, chance: () => 0, backoff: BACKOFF, onFailure });
  return {
    request() {
      isRequested = true;
      loop.wake();
    },
    close: () => loop.close(),
  };
}
