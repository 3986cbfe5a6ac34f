import { expect, test } from "bun:test";

import { overlapSecondsOf } from "../../../src/console/shell/overlap-field.tsx";

test.each([
  ["24", 86_400],
  ["0.5", 1_800],
  ["0", 0],
  ["", null],
  ["-1", null],
  ["a day", null],
])("overlap: %j hours are %p seconds", (hours, seconds) => {
  expect(overlapSecondsOf(hours)).toBe(seconds);
});
