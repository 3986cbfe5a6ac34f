import type { Clock } from "../../core/clock.ts";

/** Before the next look while something is due, in milliseconds; doubled after each look that did not find it. */
export const FIRST_DUE_MS = 2;

/** The waits between two looks at heads. */
export interface Pauses {
  readonly isClosed: boolean;
  /** Waits for the next look, and returns how long to wait for the one after it if that is due. */
  pause(dueMs: number): Promise<number>;
  /** Ends the wait early if something is due, or if a follower now waits and none did when the wait began. */
  cutShort(): void;
  close(): void;
}

export interface PausesDeps {
  readonly clock: Clock;
  readonly pollIntervalMs: number;
  readonly idleIntervalMs: number | undefined;
  readonly isAwaited: () => boolean;
  readonly isDue: () => boolean;
}

export function createPauses(deps: PausesDeps): Pauses {
  const { clock, pollIntervalMs, idleIntervalMs, isAwaited, isDue } = deps;
  const closed = new AbortController();
  /** Ends the wait for the next look; null while no wait of a full interval is under way. */
  let rest: AbortController | null = null;
  /** That wait is the longer one, since no follower waited when it began. */
  let isIdle = false;

  /** Waits unless aborted; returns whether it was aborted. */
  const restFor = async (ms: number): Promise<boolean> => {
    rest = new AbortController();
    const { signal } = rest;
    await clock.sleep(ms, signal);
    rest = null;
    return signal.aborted;
  };

  return {
    get isClosed() {
      return closed.signal.aborted;
    },
    async pause(dueMs) {
      if (isDue() && dueMs < pollIntervalMs) {
        await clock.sleep(dueMs, closed.signal);
        return 2 * dueMs;
      }
      const began = clock.monotonic();
      isIdle = idleIntervalMs !== undefined && !isAwaited();
      let calledOff = await restFor(isIdle ? Math.max(pollIntervalMs, idleIntervalMs ?? 0) : pollIntervalMs);
      if (isIdle && calledOff && !isDue()) {
        // A follower waits again: looks stay an interval apart, or each event would cost two.
        isIdle = false;
        calledOff = await restFor(Math.max(0, pollIntervalMs - (clock.monotonic() - began)));
      }
      isIdle = false;
      return calledOff ? FIRST_DUE_MS : dueMs;
    },
    cutShort() {
      if (isDue() || (isIdle && isAwaited())) rest?.abort();
    },
    close() {
      closed.abort();
      rest?.abort();
    },
  };
}
