import { expect, test } from "bun:test";

import type { Clock } from "../../src/core/clock.ts";
import { systemClock } from "../../src/core/system-clock.ts";
import { startMemoryRelease } from "../../src/storage/memory-release.ts";

const SECOND = 1_000;

/** A release of memory that is worthwhile after a hundred units of work, under a fake clock. `faults`: of the first releases. */
function made(faults: Error[] = []) {
  let ms = 0;
  let released = 0;
  const failures: unknown[] = [];
  let sleeping: { readonly untilMs: number; readonly wake: () => void } | null = null;
  const clock: Clock = {
    ...systemClock,
    monotonic: () => ms,
    sleep: (longer) => new Promise((wake) => (sleeping = { untilMs: ms + longer, wake })),
  };
  const memory = startMemoryRelease({
    release() {
      const fault = faults.shift();
      if (fault !== undefined) throw fault;
      released += 1;
    },
    worthwhile: 100,
    clock,
    onFailure: (error) => failures.push(error),
  });
  const settle = () => Bun.sleep(0);
  return {
    released: () => released,
    failures,
    work(amount: number) {
      memory.record(amount);
      return settle();
    },
    async wait(longer: number) {
      for (const end = ms + longer; ms < end;) {
        ms += SECOND;
        if (sleeping !== null && sleeping.untilMs <= ms) sleeping.wake();
        await settle();
      }
    },
  };
}

test("memory is released once, when five seconds have passed without work", async () => {
  const { work, wait, released } = made();
  await work(200);
  await wait(4 * SECOND);
  expect(released()).toBe(0);
  await work(10);
  await wait(4 * SECOND);
  expect(released()).toBe(0);
  await wait(2 * SECOND);
  expect(released()).toBe(1);
  await wait(60 * SECOND);
  expect(released()).toBe(1);
});

test("memory is not released after little work, and again after much", async () => {
  const { work, wait, released } = made();
  await work(90);
  await wait(60 * SECOND);
  expect(released()).toBe(0);
  await work(10);
  await wait(6 * SECOND);
  expect(released()).toBe(1);
  await work(90);
  await wait(60 * SECOND);
  expect(released()).toBe(1);
  await work(10);
  await wait(6 * SECOND);
  expect(released()).toBe(2);
});

test("memory is released after much work, also while a little work continues", async () => {
  const { work, wait, released } = made();
  const trickle = async (seconds: number) => {
    for (let second = 0; second < seconds; second += 1) {
      await work(1);
      await wait(SECOND);
    }
  };
  await work(200);
  await trickle(12);
  expect(released()).toBe(1);
  await trickle(60);
  expect(released()).toBe(1);
});

test("a release that fails is reported, and retried", async () => {
  const fault = new Error("disk I/O error");
  const { work, wait, released, failures } = made([fault]);
  await work(200);
  await wait(6 * SECOND);
  expect([released(), failures]).toEqual([0, [fault]]);
  await wait(6 * SECOND);
  expect([released(), failures]).toEqual([1, [fault]]);
});
