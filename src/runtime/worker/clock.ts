import type { Clock } from "../../core/clock.ts";
import { runtimeClock } from "../../core/runtime-clock.ts";

/**
 * The runtime's clock. On Cloudflare it stands still except for input and output, so it measures calls of the
 * database and not the computing of this program.
 */
export const workerClock: Clock = {
  ...runtimeClock,
  // Each awaited call of the database lets others run, and no request waits for another.
  yield: () => Promise.resolve(),
};
