import { expect, test } from "bun:test";

import { createCheckpointer } from "../../../src/storage/writer/checkpointer.ts";

const PASSES = 3;

/** A checkpointer under a fake clock, whose passes end on command. */
function made() {
  let ms = 0;
  let begun = 0;
  let finished = 0;
  let end: (error?: Error) => void = () => {};
  const checkpointer = createCheckpointer({
    checkpoint() {
      begun += 1;
      return new Promise((resolve, reject) => {
        end = (error) => (error === undefined ? resolve() : reject(error));
      });
    },
    async finish() {
      finished += 1;
    },
    now: () => ms,
  });
  return {
    checkpointer,
    begun: () => begun,
    finished: () => finished,
    write: (characters: number) => checkpointer.record([{ sql: "", args: ["x".repeat(characters)] }]),
    wait(longer: number) {
      ms += longer;
    },
    async end(error?: Error) {
      for (let pass = 0; pass < PASSES; pass += 1) {
        end(error);
        await Bun.sleep(0);
      }
      await checkpointer.settled();
    },
  };
}

test("a checkpoint starts after enough characters were written, and not before", () => {
  const { write, begun } = made();
  for (let writes = 0; writes < 9; writes += 1) write(100_000);
  expect(begun()).toBe(0);
  write(100_000);
  expect(begun()).toBe(1);
});

test("one checkpoint runs at a time, and the next starts after as much was written again", async () => {
  const { write, begun, finished, wait, end } = made();
  write(1_000_000);
  write(5_000_000);
  expect([begun(), finished()]).toEqual([1, 0]);
  wait(1_000);
  await end();
  expect([begun(), finished()]).toEqual([PASSES, 1]);
  wait(1_000);
  write(999_999);
  expect(begun()).toBe(PASSES);
  write(1);
  expect(begun()).toBe(PASSES + 1);
});

test("the checkpointer pauses between two checkpoints, also while much is written", async () => {
  const { write, begun, wait, end } = made();
  write(1_000_000);
  await end();
  write(10_000_000);
  wait(199);
  write(1);
  expect(begun()).toBe(PASSES);
  wait(1);
  write(1);
  expect(begun()).toBe(PASSES + 1);
});

test("a failed checkpoint does not prevent the next one", async () => {
  const { write, begun, wait, end } = made();
  write(1_000_000);
  await end(new Error("disk I/O error"));
  wait(1_000);
  write(1_000_000);
  expect(begun()).toBe(2);
});
