import type { Clock } from "./clock.ts";

/** Calls of a function that follow each other at an interval at least. */
export interface Paced {
  /** Calls now, or at the end of the interval since the last call; until then further requests are one call. */
  request(): void;
  close(): void;
}

export function createPaced(clock: Clock, intervalMs: number, call: () => void): Paced {
  const closed = new AbortController();
  let calledMs = Number.NEGATIVE_INFINITY;
  let isDue = false;

  const callNow = () => {
    isDue = false;
    calledMs = clock.monotonic();
    call();
  };

  return {
    request() {
      if (isDue || closed.signal.aborted) return;
      const leftMs = calledMs + intervalMs - clock.monotonic();
      if (leftMs <= 0) return callNow();
      isDue = true;
      void clock.sleep(leftMs, closed.signal).then(() => {
        if (!closed.signal.aborted) callNow();
      });
    },
    close: () => closed.abort(),
  };
}
