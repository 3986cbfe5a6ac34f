import { expect, test } from "bun:test";

import {
  addSample,
  type CursorSample,
  MOST_SAMPLES,
  throughputOf,
} from "../../../src/console/webhooks/throughput.ts";

const at = (seconds: number, cursor: number): CursorSample => ({ timeMs: seconds * 1_000, cursor });

function samplesOf(...samples: readonly CursorSample[]): readonly CursorSample[] {
  return samples.reduce<readonly CursorSample[]>(addSample, []);
}

test("throughput: it is the positions between two samples, a second", () => {
  expect(throughputOf(samplesOf(at(0, 10), at(5, 60), at(10, 60)))).toEqual({
    times: [5, 10],
    values: [10, 0],
  });
});

test("throughput: one sample measures nothing", () => {
  expect(throughputOf(samplesOf(at(0, 10)))).toEqual({ times: [], values: [] });
});

test("throughput: a cursor that moves back, and two samples of one time, make no negative or infinite number", () => {
  const { values } = throughputOf(samplesOf(at(0, 10), at(0, 20), at(5, 20), at(10, 3), at(15, 8)));
  expect(values).toEqual([1]);
});

test("throughput: only the latest samples are kept", () => {
  const many = Array.from({ length: 500 }, (_, index) => at(index * 5, index));
  const kept = samplesOf(...many);
  expect([kept.length, kept.at(-1)]).toEqual([MOST_SAMPLES, many.at(-1)]);
});
