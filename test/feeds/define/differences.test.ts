import { expect, test } from "bun:test";

import { type ComparableEvent, correspondences } from "../../../src/feeds/define/differences.ts";

const event = (type: string, projectedFrom: number | null, data: unknown = {}): ComparableEvent => ({
  type,
  version: 1,
  data,
  projectedFrom,
});

test("events that are made of the same event belong together", () => {
  const found = correspondences(
    [event("A", 1), event("B", 3), event("C", 3)],
    [event("A", 1, { n: 1 }), event("D", 2), event("B", 3)],
  );
  expect(found.map(({ projectedFrom, left, right }) => [projectedFrom, left?.type, right?.type])).toEqual([
    [1, "A", "A"],
    [2, undefined, "D"],
    [3, "B", "B"],
    [3, "C", undefined],
  ]);
  expect(found.map(({ differences }) => differences.length)).toEqual([1, 0, 0, 0]);
});

test("events of which it is not known belong together in their order", () => {
  const found = correspondences([event("A", null), event("B", null)], [event("C", null)]);
  expect(found.map(({ left, right }) => [left?.type, right?.type])).toEqual([
    ["A", "C"],
    ["B", undefined],
  ]);
});
