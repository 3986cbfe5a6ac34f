import type { Clock } from "./clock.ts";
import { sleep } from "./timer.ts";

/** The real clock, in any runtime that has `fetch`. */
export const runtimeClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep,
  yield: () => sleep(0),
};
