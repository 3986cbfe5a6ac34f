import { expect, test } from "bun:test";

import { createLoader } from "../../../src/console/data/loader.ts";

/** A loader whose loads and timers end when the test ends them. */
function openLoader() {
  const loads: PromiseWithResolvers<number>[] = [];
  const timers: (() => void)[] = [];
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
    startTimer(_, work) {
      timers.push(work);
      return () => timers.splice(timers.indexOf(work), 1);
    },
  });
  return { loader, loads, timers, values, errors, signals };
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
  expect(loads.length).toBe(2);
  loads[1]?.reject("lasting");
  await settle();
  timers.shift()?.();
  expect([errors, loads.length]).toEqual([["passing", "lasting"], 2]);
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
