import { expect, test } from "bun:test";

import { seriesWithGaps } from "../../../src/console/chart/series-with-gaps.ts";

const at = (seconds: number, value: number) => ({ time: new Date(seconds * 1_000).toISOString(), value });

test("series: samples of each step make one line", () => {
  expect(seriesWithGaps([at(0, 1), at(300, 2), at(601, 3)], 300)).toEqual({
    times: [0, 300, 601],
    values: [1, 2, 3],
  });
});

test("series: missing samples make a gap after the last one that is known", () => {
  expect(seriesWithGaps([at(0, 1), at(1_200, 2)], 300)).toEqual({
    times: [0, 300, 1_200],
    values: [1, null, 2],
  });
});

test("series: times ascend, also when a clock was set back", () => {
  const { times } = seriesWithGaps(
    [at(0, 1), at(300, 2), at(200, 3), at(300, 4), { time: "?", value: 5 }],
    300,
  );
  expect(times).toEqual([0, 300]);
});
