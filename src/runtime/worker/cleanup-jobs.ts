import { clearAll, type ClearDeps } from "../../feeds/lifecycle/clear.ts";
import type { Clock } from "../../core/clock.ts";
import type { Job } from "../../jobs/job.ts";
import type { LogWriter } from "../../log/append/writer.ts";
import { erasure } from "../../log/erase/erasures.ts";
import { sweepRound } from "../../log/erase/sweeper.ts";
import type { Database } from "../../storage/database.ts";
import type { WriteQueue } from "./write-queue.ts";

interface SweepingDeps {
  readonly database: Database;
  readonly turns: WriteQueue;
  readonly writer: LogWriter;
  readonly clock: Clock;
}

/** Deletes what was truncated and erased. */
export function sweeping({ database, turns, writer, clock }: SweepingDeps): Job {
  return {
    name: "sweep",
    async run({ deadline, signal }) {
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
export function clearing(deps: ClearDeps): Job {
  return {
    name: "clear",
    async run({ signal }) {
      await clearAll(deps, signal);
      return "idle";
    },
  };
}
