import { expect, test } from "bun:test";

import { medianRow } from "./measure.ts";
import { roundOf } from "./results.ts";
import { targetsWithoutResult, verdictsFor } from "./targets.ts";
import { NO_FEED, ONE_FEED } from "./ways.ts";

function rowOf(contender: string, way: string, values: readonly number[]) {
  const rounds = values.map(roundOf);
  return medianRow({ contender, way, settings: "" }, rounds, rounds);
}

const rows = [
  rowOf("Kilde", NO_FEED, [10_000, 20_000, 40_000]),
  rowOf("Kilde", ONE_FEED, [9_000, 16_000, 20_000]),
];

test("a target compares rows round by round, and is not measured where a row is missing", () => {
  const verdicts = verdictsFor("append-feeds", "events/s", rows);
  const figureOf = (text: string) => verdicts.find((verdict) => verdict.text.includes(text));

  // The median of 0.9, 0.8 and 0.5.
  expect(figureOf("1 live feed: at least 0.85")).toMatchObject({ measured: 0.8, reached: false });
  expect(figureOf("times that of Emmett")).toMatchObject({ measured: null, reached: false });
});

test("targets of works without a result are listed", () => {
  const works = ["append-feeds", "append-1"];
  const without = targetsWithoutResult(works);

  expect(without.some((text) => text.startsWith("import: at least 0.6"))).toBe(true);
  expect(without.some((text) => works.some((work) => text.startsWith(`${work}:`)))).toBe(false);
});
