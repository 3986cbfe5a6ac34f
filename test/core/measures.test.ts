import { expect, test } from "bun:test";

import { createSharedMeasures, createStoreMeasures, type MeasuredSeries } from "../../src/core/measures.ts";

test("a value counts in the first bucket whose bound it does not exceed, and in the sum", () => {
  const measures = createStoreMeasures();
  const histogram = measures.histogram("commit_events");
  histogram.observe(1);
  histogram.observe(3, 4);
  histogram.observe(1_000_000);
  const [{ numbers } = { numbers: new Float64Array() }] = measures.all();
  expect([...numbers]).toEqual([1, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1_000_013]);
});

test("the runs of a thread add up, and leave one series however often it is started again", () => {
  const measures = createStoreMeasures();
  for (let run = 1; run <= 50; run += 1) {
    const ends: (() => void)[] = [];
    const thread = createSharedMeasures((series) => ends.push(measures.include(series)));
    thread.counter("appends_total", { outcome: "appended" }).add(2);
    thread.counter("appends_total", { outcome: "failed" }).add(1);
    for (const end of ends) end();
  }
  const counted = measures.all().map(({ labels, numbers }) => [labels["outcome"], numbers[0]]);
  expect(counted).toEqual([
    ["appended", 100],
    ["failed", 50],
  ]);
});

test("a thread's series is read where it is counted, without a message", () => {
  const sent: MeasuredSeries[] = [];
  const counter = createSharedMeasures((series) => sent.push(structuredClone(series))).counter(
    "appends_total",
  );
  counter.add(1);
  counter.add(1);
  expect(sent.map(({ numbers }) => numbers[0])).toEqual([2]);
});
