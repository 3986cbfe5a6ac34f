import { expect, test } from "bun:test";

import type { Clock } from "../../../src/core/clock.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { startCheckpointer } from "../../../src/storage/writer/checkpointer.ts";

const PASSES = 3;

/** A checkpointer under a fake clock, whose passes end on command. */
function made() {
  let ms = 0;
  let begun = 0;
  let finished = 0;
  const failures: unknown[] = [];
  let end: (error?: Error) => void = () => {};
  let sleeping: { readonly untilMs: number; readonly wake: () => void } | null = null;
  const clock: Clock = {
    ...systemClock,
    monotonic: () => ms,
    sleep: (longer) => new Promise((wake) => (sleeping = { untilMs: ms + longer, wake })),
  };
  const checkpointer = startCheckpointer({
    checkpoint() {
      begun += 1;
      return new Promise((resolve, reject) => {
        end = (error) => (error === undefined ? resolve() : reject(error));
      });
    },
    async finish() {
      finished += 1;
    },
    clock,
    chance: () => 0,
    onFailure: (error) => failures.push(error),
  });
  /** Runs the tasks that are ready. */
  const settle = () => Bun.sleep(0);
  return {
    begun: () => begun,
    finished: () => finished,
    failures: () => failures.map(String),
    write(characters: number) {
      checkpointer.record([{ sql: "", args: ["x".repeat(characters)] }]);
      return settle();
    },
    wait(longer: number) {
      ms += longer;
      if (sleeping !== null && sleeping.untilMs <= ms) sleeping.wake();
      return settle();
    },
    async end(error?: Error) {
      for (let pass = 0; pass < PASSES; pass += 1) {
        end(error);
        await settle();
      }
    },
  };
}

test("a checkpoint starts after enough characters were written, and not before", async () => {
  const { write, begun } = made();
  for (let writes = 0; writes < 9; writes += 1) await write(100_000);
  expect(begun()).toBe(0);
  await write(100_000);
  expect(begun()).toBe(1);
});

test("one checkpoint runs at a time, and the next starts after as much was written again", async () => {
  const { write, begun, finished, wait, end } = made();
  await write(1_000_000);
  await write(5_000_000);
  expect([begun(), finished()]).toEqual([1, 0]);
  await wait(1_000);
  await end();
  expect([begun(), finished()]).toEqual([PASSES, 1]);
  await wait(1_000);
  await write(999_999);
  expect(begun()).toBe(PASSES);
  await write(1);
  expect(begun()).toBe(PASSES + 1);
});

test("the checkpointer pauses between two checkpoints, also while much is written", async () => {
  const { write, begun, wait, end } = made();
  await write(1_000_000);
  await end();
  await write(10_000_000);
  await wait(199);
  await write(1);
  expect(begun()).toBe(PASSES);
  await wait(1);
  await write(1);
  expect(begun()).toBe(PASSES + 1);
});

test("a failed checkpoint is reported, and retried after a pause, also while nothing is written", async () => {
  const { write, begun, wait, end, failures } = made();
  await write(1_000_000);
  await end(new Error("disk I/O error"));
  expect(failures()).toEqual(["Error: disk I/O error"]);
  await wait(199);
  expect(begun()).toBe(1);
  await wait(1);
  expect(begun()).toBe(2);
});
