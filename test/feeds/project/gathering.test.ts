import { expect, test } from "bun:test";

import { systemClock } from "../../../src/core/system-clock.ts";
import { createGathering, GATHER_MS } from "../../../src/feeds/project/gathering.ts";

/** Whether a feed waits that looks at its source at these times, in milliseconds, with the head that it finds. */
function waitsAt(looks: readonly (readonly [ms: number, head: number])[]): readonly boolean[] {
  let nowMs = 0;
  const gathering = createGathering({ ...systemClock, monotonic: () => nowMs });
  return looks.map(([ms, head]) => {
    nowMs = ms;
    return gathering.isWorth(head);
  });
}

test("a feed whose source gets an event now and then never waits for more", () => {
  expect(waitsAt([...Array(20).keys()].map((n) => [n * 5, n]))).toEqual(Array(20).fill(false));
});

test("a feed waits for more as long as many events arrive, and not after that", () => {
  const loaded = [...Array(4).keys()].map((n) => [1_000 + n * GATHER_MS, 500 + n * 300] as const);
  const quiet = [5_000, 1_401] as const;
  expect(waitsAt([[0, 500], ...loaded, quiet, [5_020, 1_402]])).toEqual([
    false,
    false,
    true,
    true,
    true,
    false,
    false,
  ]);
});

test("many events in one commit are no load of appends", () => {
  expect(
    waitsAt([
      [0, 0],
      [1_000, 1],
      [1_001, 65],
      [1_002, 66],
      [2_000, 67],
    ]),
  ).toEqual(Array(5).fill(false));
});

test("feeds that wait continue in the same turn", async () => {
  let sleeps = 0;
  const clock = { ...systemClock, monotonic: () => 7, sleep: () => Promise.resolve(void (sleeps += 1)) };
  const gathering = createGathering(clock);
  const [one, other] = [gathering.tick(), gathering.tick()];
  expect(other).toBe(one);
  await one;
  expect(sleeps).toBe(1);
  expect(gathering.tick()).not.toBe(one);
});
