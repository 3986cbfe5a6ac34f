import type { StartTimer } from "../../client/deadline.ts";

/** Default of `restMs`: changes are visible within a second, and a busy log does not keep a page loading. */
export const REST_MS = 300;

/** Time until a failed load is tried again. */
const RETRY_MS = 2_000;

export interface LoaderOptions<Value> {
  readonly load: (signal: AbortSignal) => Promise<Value>;
  readonly onValue: (value: Value) => void;
  readonly onError: (error: unknown) => void;
  /** Whether an error may pass without a change by the user. */
  readonly isPassing: (error: unknown) => boolean;
  /** Shortest time between the end of a load and the next. */
  readonly restMs: number;
  readonly startTimer: StartTimer;
}

/** Loads a value again whenever it may have changed. */
export interface Loader {
  /** Loads at once, or after the load that is under way. */
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
}: LoaderOptions<Value>): Loader {
  const closing = new AbortController();
  const { signal } = closing;
  let isBusy = false;
  let isWanted = false;
  let cancelTimer = (): void => {};

  const restFor = (ms: number): void => {
    cancelTimer = startTimer(ms, () => {
      isBusy = false;
      if (isWanted) start();
    });
  };
  const run = async (): Promise<void> => {
    try {
      const value = await load(signal);
      if (signal.aborted) return;
      onValue(value);
      restFor(restMs);
    } catch (error) {
      if (signal.aborted) return;
      onError(error);
      isWanted ||= isPassing(error);
      restFor(RETRY_MS);
    }
  };
  const start = (): void => {
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
