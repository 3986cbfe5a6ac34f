import type { Clock } from "./clock.ts";

/** Ends operations that take longer than a fixed time. */
export interface Deadlines {
  /** Calls `expire` after the time, unless the returned function is called first. */
  start(expire: () => void): () => void;
  /** Expires all current deadlines now, and each later one at once. */
  close(): void;
}

/**
 * All deadlines share one timer: they have the same duration, so the first to start is the first to expire. One timer
 * per deadline would cost more than the rest of a request.
 */
export function createDeadlines(clock: Clock, timeMs: number): Deadlines {
  const waiting = new Set<{ readonly dueMs: number; readonly expire: () => void }>();
  const closing = new AbortController();
  let isWatching = false;

  const watch = async (): Promise<void> => {
    isWatching = true;
    for (let [first] = waiting; first !== undefined && !closing.signal.aborted; [first] = waiting) {
      const leftMs = first.dueMs - clock.monotonic();
      if (leftMs > 0) await clock.sleep(leftMs, closing.signal);
      else if (waiting.delete(first)) first.expire();
    }
    isWatching = false;
  };

  return {
    start(expire) {
      if (closing.signal.aborted) {
        expire();
        return () => {};
      }
      const entry = { dueMs: clock.monotonic() + timeMs, expire };
      waiting.add(entry);
      if (!isWatching) void watch();
      return () => waiting.delete(entry);
    },
    close() {
      closing.abort();
      for (const { expire } of waiting) expire();
      waiting.clear();
    },
  };
}
