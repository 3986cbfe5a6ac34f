import { onAbort } from "./on-abort.ts";

/**
 * The only file that starts timers (`test/architecture.test.ts` enforces this). A timer of the runtime holds at most
 * 2^31 - 1 ms and fires at once for a longer wait, so that a loop which waits would spin.
 */

/** Longest wait that one timer of the runtime can hold: 24.8 days. */
export const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Resolves after `ms`, or at once when the signal aborts. Splits a wait that is longer than one timer can hold, so
 * any wait is safe, also `Infinity`. Never rejects, except with a RangeError for `NaN`, which is a bug of the caller.
 */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  if (Number.isNaN(ms)) return Promise.reject(new RangeError("A wait must be a number of milliseconds"));
  return new Promise((resolve) => {
    if (signal?.aborted === true) {
      resolve();
      return;
    }
    let leftMs = Math.max(0, ms);
    let timer: ReturnType<typeof setTimeout>;
    const done = () => {
      clearTimeout(timer);
      forget?.();
      resolve();
    };
    const arm = () => {
      const partMs = Math.min(leftMs, LONGEST_TIMER_MS);
      leftMs -= partMs;
      timer = setTimeout(leftMs > 0 ? arm : done, partMs);
    };
    const forget = signal && onAbort(signal, done);
    arm();
  });
}

/** Calls `work` every `ms` for the rest of the process, without keeping the process alive. */
export function repeat(ms: number, work: () => void): void {
  setInterval(work, Math.min(ms, LONGEST_TIMER_MS)).unref();
}

/** Calls `work` after `ms`, never for `Infinity`. Returns a function that cancels the call. */
export function startTimer(ms: number, work: () => void): () => void {
  if (Number.isNaN(ms)) throw new RangeError("A wait must be a number of milliseconds");
  let leftMs = Math.max(0, ms);
  let timer: ReturnType<typeof setTimeout>;
  const arm = () => {
    const partMs = Math.min(leftMs, LONGEST_TIMER_MS);
    leftMs -= partMs;
    timer = setTimeout(leftMs > 0 ? arm : work, partMs);
  };
  if (leftMs < Infinity) arm();
  return () => clearTimeout(timer);
}
