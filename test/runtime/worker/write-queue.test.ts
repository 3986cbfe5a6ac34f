import { expect, test } from "bun:test";

import type { Clock } from "../../../src/core/clock.ts";
import { createWriteQueue } from "../../../src/runtime/worker/write-queue.ts";

/** Time passes when somebody sleeps; `cut` has the next sleeper never wake, as a request that is cancelled. */
function simulated() {
  let now = 0;
  let cutting = false;
  const sleepers: { readonly until: number; readonly wake: () => void }[] = [];
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    sleep(ms) {
      if (cutting) {
        cutting = false;
        return new Promise(() => {});
      }
      return new Promise((wake) => sleepers.push({ until: now + ms, wake }));
    },
    yield: () => Promise.resolve(),
  };
  /** Lets everybody sleep and wake in order, until nobody does. */
  const run = async () => {
    for (;;) {
      for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
      const next = sleepers.sort((a, b) => a.until - b.until).shift();
      if (next === undefined) return;
      now = Math.max(now, next.until);
      next.wake();
    }
  };
  return {
    clock,
    run,
    cut() {
      cutting = true;
    },
  };
}

const never = () => new Promise<never>(() => {});

test("writes run one at a time, in the order of asking", async () => {
  const { clock, run } = simulated();
  const turns = createWriteQueue(clock);
  const order: number[] = [];
  let under = 0;
  const all = Array.from({ length: 50 }, (_, n) =>
    turns.run(async () => {
      expect((under += 1)).toBe(1);
      await clock.sleep(5);
      under -= 1;
      order.push(n);
    }),
  );
  await run();
  await Promise.all(all);
  expect(order).toEqual(Array.from({ length: 50 }, (_, n) => n));
});

test("a failed write ends its turn", async () => {
  const { clock, run } = simulated();
  const turns = createWriteQueue(clock);
  const failing = turns.run(() => Promise.reject(new Error("no"))).catch(() => "failed");
  const next = turns.run(() => Promise.resolve("done"));
  await run();
  expect(await Promise.all([failing, next])).toEqual(["failed", "done"]);
});

test("a write that is cancelled, in its turn or while it waits, blocks no other permanently", async () => {
  const { clock, run, cut } = simulated();
  const turns = createWriteQueue(clock);
  void turns.run(never);
  cut();
  void turns.run(never);
  const others = Array.from({ length: 3 }, (_, n) => turns.run(() => Promise.resolve(n)));
  await run();
  expect(await Promise.all(others)).toEqual([0, 1, 2]);
});

test("a write that would wait too long is refused, and its work is not begun", async () => {
  const { clock, run } = simulated();
  const turns = createWriteQueue(clock);
  for (let n = 0; n < 10; n += 1) void turns.run(never).catch(() => {});
  let begun = false;
  const last = turns
    .run(() => {
      begun = true;
      return Promise.resolve();
    })
    .catch((error: unknown) => error);
  await run();
  expect(await last).toMatchObject({ code: "overloaded" });
  expect(begun).toBe(false);
});
