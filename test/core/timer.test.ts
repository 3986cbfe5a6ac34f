import { describe, expect, test } from "bun:test";

import { LONGEST_TIMER_MS, sleep } from "../../src/core/timer.ts";

/** Long enough to notice a timer that fires at once. */
const MOMENT_MS = 30;

async function endsWithin(wait: Promise<void>, ms: number): Promise<boolean> {
  return Promise.race([wait.then(() => true), Bun.sleep(ms).then(() => false)]);
}

describe("sleep", () => {
  test.each([LONGEST_TIMER_MS + 1, 2 ** 32, 8_000 * 365 * 86_400_000, Number.MAX_VALUE, Infinity])(
    "a wait of %d ms does not end at once, and ends when it is aborted",
    async (ms) => {
      const stop = new AbortController();
      const wait = sleep(ms, stop.signal);
      expect(await endsWithin(wait, MOMENT_MS)).toBe(false);
      stop.abort();
      expect(await endsWithin(wait, 5_000)).toBe(true);
    },
  );

  test.each([-Infinity, -1, 0, 0.4, 1])("a wait of %d ms ends", async (ms) => {
    expect(await endsWithin(sleep(ms), 5_000)).toBe(true);
  });

  test("an aborted signal ends a wait before it begins", async () => {
    expect(await endsWithin(sleep(Infinity, AbortSignal.abort()), 5_000)).toBe(true);
  });

  test("rejects a wait that is not a number", () => {
    expect(sleep(Number.NaN)).rejects.toThrow(RangeError);
  });
});
