import type { Clock } from "./clock.ts";
import { runtimeClock } from "./runtime-clock.ts";

/** The real clock, in runtimes whose event loop has a phase after input and output. */
export const systemClock: Clock = {
  ...runtimeClock,
  yield: () => new Promise((resolve) => setImmediate(resolve)),
};
