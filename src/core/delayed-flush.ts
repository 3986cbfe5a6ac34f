import type { Clock } from "./clock.ts";

export interface DelayedFlushOptions {
  readonly clock: Pick<Clock, "sleep">;
  /** Whether a timer flushes. A worker flushes at the end of an invocation instead. */
  readonly inBackground: boolean;
  /** How long to wait before the next flush, in milliseconds. */
  readonly delayMs: () => number;
  readonly isPending: () => boolean;
  /** Writes everything pending, or keeps it when the write fails. Never rejects. */
  readonly flush: () => Promise<void>;
}

export interface DelayedFlush {
  /** Starts the wait for the next flush, unless one is under way. Waits again afterwards while something is pending. */
  later(): void;
  /** Ends waiting, after a flush that is under way and a last one. */
  close(): Promise<void>;
}

export function createDelayedFlush(options: DelayedFlushOptions): DelayedFlush {
  const { clock, inBackground, delayMs, isPending, flush } = options;
  const closed = new AbortController();
  let timer: Promise<void> | null = null;
  const later = () => {
    if (!inBackground || closed.signal.aborted) return;
    timer ??= clock.sleep(delayMs(), closed.signal).then(async () => {
      // Until it is over, `close` waits for it.
      if (!closed.signal.aborted) await flush();
      timer = null;
      if (isPending()) later();
    });
  };
  return {
    later,
    async close() {
      closed.abort();
      await timer;
      await flush();
    },
  };
}
