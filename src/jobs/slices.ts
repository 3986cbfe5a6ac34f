import type { BackgroundWork, Slice } from "../core/background.ts";
import type { Clock } from "../core/clock.ts";
import { clearAll, type ClearDeps } from "../feeds/lifecycle/clear.ts";
import type { Database } from "../storage/database.ts";
import { erasure } from "../log/erase/erasures.ts";
import { sweepRound } from "../log/erase/sweeper.ts";
import type { LogWriter } from "../log/append/writer.ts";
import type { WriteQueue } from "./write-queue.ts";

interface SweepingDeps {
  readonly database: Database;
  readonly turns: WriteQueue;
  readonly writer: LogWriter;
  readonly clock: Clock;
}

/** Deletes what was truncated and erased. */
export function sweeping({ database, turns, writer, clock }: SweepingDeps): BackgroundWork {
  return {
    name: "sweep",
    async runSlice({ deadline, signal }) {
      const deps = {
        database,
        clock,
        signal,
        between: <Result>(work: () => Promise<Result>) => turns.run(work),
        eraseStreams: async (names: readonly string[], reason: string) => {
          for (const name of names) await writer.append(erasure(name, reason, "exists"));
        },
      };
      while (!signal.aborted && clock.monotonic() < deadline && (await sweepRound(deps)));
      return "idle";
    },
  };
}

/** Empties feeds that are retired, and drafts that are built anew. */
export function clearing(deps: ClearDeps): BackgroundWork {
  return {
    name: "clear",
    async runSlice({ signal }) {
      await clearAll(deps, signal);
      return "idle";
    },
  };
}

export interface RunWorksDeps {
  readonly clock: Clock;
  /** A signal that ends one of so many equal parts of what the runtime grants; see `Calls`. */
  readonly share: (parts: number) => AbortSignal;
  readonly onFailure: (work: string, error: unknown) => void;
}

/**
 * Gives each work a slice in turn, and again for as long as one of them did something: it may be what another
 * waits for, as a feed that is projected from a feed. Each slice is an equal part of the time and of the calls that are
 * left, but enough to get something done, so that a work which has much to do starves none: what one leaves of its part is
 * the others'. Calls may not last for all of many works, so the caller begins with another one each time.
 */
export async function runWorks(
  works: readonly BackgroundWork[],
  { deadline, signal }: Slice,
  { clock, share, onFailure }: RunWorksDeps,
): Promise<void> {
  let left = works;
  while (left.length > 0 && !signal.aborted) {
    let worked = false;
    const failed = new Set<BackgroundWork>();
    for (const [index, work] of left.entries()) {
      if (signal.aborted) return;
      const parts = left.length - index;
      const now = clock.monotonic();
      const slice = {
        deadline: now + (deadline - now) / parts,
        signal: AbortSignal.any([signal, share(parts)]),
      };
      try {
        worked = (await work.runSlice(slice)) === "worked" || worked;
      } catch (error) {
        failed.add(work);
        onFailure(work.name, error);
      }
    }
    if (!worked) return;
    left = left.filter((work) => !failed.has(work));
  }
}
