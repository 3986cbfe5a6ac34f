import { createStoreMeasures } from "../../core/measures.ts";
import { systemClock } from "../../core/system-clock.ts";
import type { MeasuredProcess } from "../../http/service/measured-process.ts";
import type { Job } from "../../jobs/job.ts";
import { startServerLoop } from "../server-loop.ts";

/** Time between two measurements of the delay, in milliseconds: an idle server is woken by little else. */
const STEP_MS = 1_000;

const BACKOFF = { firstMs: STEP_MS, lastMs: STEP_MS };

/** Measures the process. */
export interface ProcessMeter extends MeasuredProcess {
  close(): Promise<void>;
}

/** Opens the meter of a server's process. It looks each second how late a timer is. */
export function openProcessMeter(): ProcessMeter {
  const measures = createStoreMeasures();
  const delay = measures.histogram("event_loop_delay_seconds");
  const job: Job = {
    name: "measure delay",
    async run({ signal }) {
      const dueMs = systemClock.monotonic() + STEP_MS;
      await systemClock.sleep(STEP_MS, signal);
      if (signal.aborted) return "over";
      delay.observe(Math.max(0, systemClock.monotonic() - dueMs) / 1_000);
      return "progressed";
    },
  };
  const loop = startServerLoop(job, BACKOFF, () => {});
  return { measures, residentBytes: () => process.memoryUsage.rss(), close: () => loop.close() };
}
