import { expect, test } from "bun:test";

import { createRecentHeads, HEAD_STEP_MS } from "../../../src/log/follow/recent-heads.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory"]);

function heads() {
  let nowMs = 5_000;
  const recent = createRecentHeads({ monotonic: () => nowMs });
  return {
    read: () => recent.read(),
    note(head: number, afterMs: number = HEAD_STEP_MS) {
      nowMs += afterMs;
      recent.note(head);
    },
    wait: (ms: number) => (nowMs += ms),
  };
}

test("each step has one head, the last that was noted in it", () => {
  const { note, read, wait } = heads();
  expect(read()).toEqual({ heads: [], ageMs: 0 });
  note(1, 0);
  note(3, 1_000);
  note(7);
  wait(400);
  expect(read()).toEqual({ heads: [3, 7], ageMs: 400 });
});

test("steps that nobody noted a head in have the one before", () => {
  const { note, read } = heads();
  note(1, 0);
  note(9, 3 * HEAD_STEP_MS);
  expect(read().heads).toEqual([1, 1, 1, 9]);
});

test("an hour is remembered, however long the process was stopped", () => {
  const { note, read } = heads();
  for (let head = 1; head <= 400; head += 1) note(head);
  expect(read().heads).toHaveLength(361);
  expect(read().heads.at(0)).toBe(40);
  note(500, 24 * 3_600_000);
  expect(read().heads).toHaveLength(361);
  expect(new Set(read().heads.slice(0, -1))).toEqual(new Set([400]));
});
