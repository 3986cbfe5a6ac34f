import { expect, test } from "bun:test";

import { systemClock } from "../../../src/core/system-clock.ts";
import { createGathering, GATHER_MS } from "../../../src/feeds/project/gathering.ts";

/** Rests of a feed that looks at its source at these times, in milliseconds, with the head that it finds. */
function restsAt(looks: readonly (readonly [ms: number, head: number])[]): readonly number[] {
  let nowMs = 0;
  const gathering = createGathering({ ...systemClock, monotonic: () => nowMs });
  return looks.map(([ms, head]) => {
    nowMs = ms;
    return gathering.restMs(head);
  });
}

test("a feed whose source gets an event now and then never rests", () => {
  expect(restsAt([...Array(20).keys()].map((n) => [n * 5, n]))).toEqual(Array(20).fill(0));
});

test("a feed rests as long as many events arrive, and not after that", () => {
  const loaded = [...Array(4).keys()].map((n) => [1_000 + n * GATHER_MS, 500 + n * 300] as const);
  const quiet = [5_000, 1_401] as const;
  expect(restsAt([[0, 500], ...loaded, quiet, [5_020, 1_402]])).toEqual([
    0,
    0,
    GATHER_MS,
    GATHER_MS,
    GATHER_MS,
    0,
    0,
  ]);
});

test("many events in one commit are no load of appends", () => {
  expect(
    restsAt([
      [0, 0],
      [1_000, 1],
      [1_001, 65],
      [1_002, 66],
      [2_000, 67],
    ]),
  ).toEqual([0, 0, 0, 0, 0]);
});
