import type { BackgroundWork, Slice } from "../core/background.ts";
import type { Clock } from "../core/clock.ts";
import { clearAll } from "../feed/clear.ts";
import type { Database } from "../log/database.ts";
import { sweepStep } from "../log/truncate.ts";
import type { LogWriter } from "../log/writer.ts";
import type { Turns } from "./turns.ts";

/** Deletes what was truncated. */
export function sweeping(deps: { database: Database; turns: Turns; clock: Clock }): BackgroundWork {
  const { database, turns, clock } = deps;
  return {
    name: "sweep",
    async runSlice({ deadline, signal }) {
      while (!signal.aborted && clock.monotonic() < deadline && (await turns.run(() => sweepStep(database))));
      return "idle";
    },
  };
}

/** Empties feeds that are retired, and drafts that are built anew. */
export function clearing(deps: { database: Database; writer: LogWriter; clock: Clock }): BackgroundWork {
  return {
    name: "clear",
    async runSlice({ signal }) {
      await clearAll(deps, signal);
      return "idle";
    },
  };
}

/**
 * Gives each work a slice in turn, and again for as long as one of them did something: it may be what another
 * waits for, as a feed that is projected from a feed.
 */
export async function runWorks(
  works: readonly BackgroundWork[],
  slice: Slice,
  onFailure: (work: string, error: unknown) => void,
): Promise<void> {
  let left = works;
  while (left.length > 0 && !slice.signal.aborted) {
    let worked = false;
    const failed = new Set<BackgroundWork>();
    for (const work of left) {
      if (slice.signal.aborted) return;
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
