import type { Clock } from "../core/clock.ts";

/**
 * The runtime's time. On Cloudflare it stands still but for input and output, so that it tells how long the database
 * took, and not how long this program computed.
 */
export const workerClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      signal?.addEventListener("abort", done);
    }),
  // Each call of the database is awaited, which lets others run; and no request waits for another.
  yield: () => Promise.resolve(),
};
