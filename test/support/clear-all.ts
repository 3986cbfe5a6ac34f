import { CLEAR_BACKOFF, clearJob, type ClearDeps } from "../../src/feeds/lifecycle/clear.ts";
import { startLoop } from "../../src/jobs/loop.ts";

/** Empties all feeds that are retired or built again, as a server does, and stops when none is left. */
export async function clearAll(deps: ClearDeps, onFailure: (error: unknown) => void): Promise<void> {
  const job = clearJob(deps);
  const loop = startLoop(
    {
      name: job.name,
      async run(slice) {
        const outcome = await job.run(slice);
        return outcome === "idle" ? "over" : outcome;
      },
    },
    { clock: deps.clock, chance: () => 0, backoff: CLEAR_BACKOFF, onFailure },
  );
  await loop.ended;
}
