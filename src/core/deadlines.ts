import type { Clock } from "./clock.ts";

/** Ends what takes longer than a fixed time. */
export interface Deadlines {
  /** Calls `expire` after the time, unless what is returned was called before. */
  start(expire: () => void): () => void;
  /** All of them expire now, and those to come at once. */
  close(): void;
}

/**
 * One timer for all of them: since all have the same time, the first to start is the first to expire. A timer for
 * each would cost more than the rest of a request.
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
