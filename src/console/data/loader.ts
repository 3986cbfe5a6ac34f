import type { StartTimer } from "../../client/deadline.ts";
import { backoffMs } from "../../client/retry.ts";

/** Default of `restMs`: changes are visible within a second, and a busy log does not keep a page loading. */
export const REST_MS = 300;

/**
 * Time until a failed load is tried again: it doubles with each failure, and half of it is random, so that the pages of many
 * people do not meet a server that just started at one moment.
 */
const RETRY = { delayMs: 2_000, maxDelayMs: 60_000 };

export interface LoaderOptions<Value> {
  readonly load: (signal: AbortSignal) => Promise<Value>;
  readonly onValue: (value: Value) => void;
  readonly onError: (error: unknown) => void;
  /** Whether an error may pass without a change by the user. */
  readonly isPassing: (error: unknown) => boolean;
  /** Shortest time between the end of a load and the next. */
  readonly restMs: number;
  readonly startTimer: StartTimer;
  readonly random: () => number;
}

/** Loads a value again whenever it may have changed. */
export interface Loader {
  /** Loads at once, or after the load that is under way. After failures, it loads within 2 seconds. */
  request(): void;
  close(): void;
}

/** Creates a loader. It has one request under way at most; changes meanwhile lead to one more. */
export function createLoader<Value>({
  load,
  onValue,
  onError,
  isPassing,
  restMs,
  startTimer,
  random,
}: LoaderOptions<Value>): Loader {
  const closing = new AbortController();
  const { signal } = closing;
  let isBusy = false;
  let isWanted = false;
  let failures = 0;
  let cancelTimer = (): void => {};

  const restFor = (ms: number, retryMs?: number): void => {
    cancelTimer = startTimer(ms, () => {
      isBusy = false;
      if (isWanted) start();
      else if (retryMs !== undefined) cancelTimer = startTimer(retryMs - ms, start);
    });
  };
  const run = async (): Promise<void> => {
    try {
      const value = await load(signal);
      if (signal.aborted) return;
      failures = 0;
      onValue(value);
      restFor(restMs);
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      onError(error);
      const retryMs = backoffMs(RETRY, failures, random);
      restFor(Math.min(retryMs, RETRY.delayMs), isPassing(error) ? retryMs : undefined);
    }
  };
  const start = (): void => {
    cancelTimer();
    isBusy = true;
    isWanted = false;
    void run();
  };

  return {
    request() {
      if (signal.aborted) return;
      isWanted = true;
      if (!isBusy) start();
    },
    close() {
      closing.abort();
      cancelTimer();
    },
  };
}
