import { expect, test } from "bun:test";

import { createLoader } from "../../../src/console/data/loader.ts";

/** A loader whose loads and timers end when the test ends them. */
function openLoader() {
  const loads: PromiseWithResolvers<number>[] = [];
  const timers: (() => void)[] = [];
  const waits: number[] = [];
  const values: number[] = [];
  const errors: unknown[] = [];
  const signals: AbortSignal[] = [];
  const loader = createLoader<number>({
    load(signal) {
      const load = Promise.withResolvers<number>();
      loads.push(load);
      signals.push(signal);
      return load.promise;
    },
    onValue: (value) => values.push(value),
    onError: (error) => errors.push(error),
    isPassing: (error) => error === "passing",
    restMs: 300,
    random: () => 1,
    startTimer(ms, work) {
      waits.push(ms);
      timers.push(work);
      return () => timers.splice(0, timers.length, ...timers.filter((each) => each !== work));
    },
  });
  return { loader, loads, timers, waits, values, errors, signals };
}

const settle = () => new Promise<void>((resolve) => queueMicrotask(() => queueMicrotask(resolve)));

test("loader: changes during a load lead to one more, after a rest", async () => {
  const { loader, loads, timers, values } = openLoader();
  loader.request();
  loader.request();
  loader.request();
  expect(loads.length).toBe(1);
  loads[0]?.resolve(1);
  await settle();
  expect([values, loads.length]).toEqual([[1], 1]);
  timers.shift()?.();
  expect(loads.length).toBe(2);
  loads[1]?.resolve(2);
  await settle();
  timers.shift()?.();
  expect([values, loads.length]).toEqual([[1, 2], 2]);
});

test("loader: it tries again after an error that passes, and not after another", async () => {
  const { loader, loads, timers, errors } = openLoader();
  loader.request();
  loads[0]?.reject("passing");
  await settle();
  timers.shift()?.();
  timers.shift()?.();
  expect(loads.length).toBe(2);
  loads[1]?.reject("lasting");
  await settle();
  timers.shift()?.();
  expect([errors, loads.length, timers.length]).toEqual([["passing", "lasting"], 2, 0]);
});

test("loader: it waits longer after each failure, and loads within two seconds when it is asked", async () => {
  const { loader, loads, timers, waits } = openLoader();
  const fail = async () => {
    loads.at(-1)?.reject("passing");
    await settle();
    timers.shift()?.();
  };
  loader.request();
  for (let failures = 0; failures < 7; failures += 1) {
    await fail();
    timers.shift()?.();
  }
  const retries = waits.filter((_, index) => index % 2 === 1).map((ms) => ms + 2_000);
  expect(retries).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  expect(loads.length).toBe(8);
  await fail();
  expect(loads.length).toBe(8);
  loader.request();
  expect([loads.length, timers.length]).toEqual([9, 0]);
  loads.at(-1)?.resolve(1);
  await settle();
  expect(waits.at(-1)).toBe(300);
});

test("loader: a closed one aborts its load, and reports and loads nothing more", async () => {
  const { loader, loads, values, signals } = openLoader();
  loader.request();
  loader.close();
  loads[0]?.resolve(1);
  await settle();
  loader.request();
  expect([signals[0]?.aborted, values, loads.length]).toEqual([true, [], 1]);
});
