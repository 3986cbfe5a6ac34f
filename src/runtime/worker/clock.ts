import type { Clock } from "../../core/clock.ts";
import { runtimeClock } from "../../core/runtime-clock.ts";

/**
 * The runtime's time. On Cloudflare it stands still but for input and output, so that it tells how long the database
 * took, and not how long this program computed.
 */
export const workerClock: Clock = {
  ...runtimeClock,
  // Each call of the database is awaited, which lets others run; and no request waits for another.
  yield: () => Promise.resolve(),
};
