import type { Clock } from "./clock.ts";

/** What work of one kind may take of one turn of the event loop, in milliseconds. */
const SLICE_MS = 5;

/**
 * The end of a turn is waited for from so much work on. Less is counted for later turns as well, whose slices are shorter
 * by it: a timer for each small read would cost a tenth of the read.
 */
const UNNOTICED_MS = 1;

/**
 * Work that blocks the thread while it runs, such as reading an embedded database or parsing a body. When it has used up
 * its slice of a turn of the event loop, further work waits for the next turn, in order. A thousand requests that arrive
 * together would hold up everything else until the last of them is done.
 */
export interface TimeSlices {
  /** Runs work that blocks; it is over when it returns. */
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
    // Those who wait already come first.
    run: (work) => (spentMs < SLICE_MS && waiting === 0 ? runNow(work) : runLater(work)),
  };
}
