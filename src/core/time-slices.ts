import type { Clock } from "./clock.ts";

/** Longest time that work of one kind may use per iteration of the event loop, in milliseconds. */
const SLICE_MS = 5;

/**
 * The work waits for the next iteration of the event loop once it has used this much, in milliseconds. Smaller
 * amounts are carried over and shorten later slices: a timer for each small read would cost a tenth of the read.
 */
const UNNOTICED_MS = 1;

/**
 * Limits work that blocks the thread, such as reading an embedded database or parsing a body. When the work has used
 * up its slice of an iteration of the event loop, further work waits for the next iteration, in order. Otherwise, a
 * thousand requests that arrive together would block everything else until the last of them is done.
 */
export interface TimeSlices {
  /** Runs blocking work, which is complete when it returns. */
  run<Result>(work: () => Result): Result | Promise<Awaited<Result>>;
}

export function createTimeSlices(clock: Clock): TimeSlices {
  let spentMs = 0;
  let waiting = 0;
  let nextTurn: Promise<void> | null = null;

  const endOfTurn = () =>
    (nextTurn ??= clock.yield().then(() => {
      spentMs = 0;
      nextTurn = null;
    }));

  const runNow = <Result>(work: () => Result): Result => {
    const started = clock.monotonic();
    try {
      return work();
    } finally {
      spentMs += clock.monotonic() - started;
      if (spentMs >= UNNOTICED_MS) void endOfTurn();
    }
  };

  const runLater = async <Result>(work: () => Result): Promise<Awaited<Result>> => {
    waiting += 1;
    try {
      do await endOfTurn();
      while (spentMs >= SLICE_MS);
    } finally {
      waiting -= 1;
    }
    return await runNow(work);
  };

  return {
    // Earlier waiters run first.
    run: (work) => (spentMs < SLICE_MS && waiting === 0 ? runNow(work) : runLater(work)),
  };
}
