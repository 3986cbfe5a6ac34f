import { expect, test } from "bun:test";

import { systemClock } from "../../../src/core/system-clock.ts";
import { startGarbageRelease } from "../../../src/runtime/server/garbage-release.ts";
import { eventually } from "../../support/eventually.ts";

/** A second passes in a millisecond. */
const clock = {
  ...systemClock,
  sleep: (ms: number, signal?: AbortSignal) => systemClock.sleep(ms / 1_000, signal),
};

const fail = (error: unknown) => {
  throw error;
};

function watched() {
  const state = { cpuMs: 0, isBusy: false, collected: 0 };
  const release = startGarbageRelease({
    collect: () => void (state.collected += 1),
    cpuMs() {
      if (state.isBusy) state.cpuMs += 500;
      return state.cpuMs;
    },
    clock,
    onFailure: fail,
  });
  return { state, release };
}

test("a busy process collects no garbage before it is idle", async () => {
  const { state, release } = watched();
  state.isBusy = true;
  release.request();
  await eventually(() => state.cpuMs >= 5_000);
  expect(state.collected).toBe(0);
  state.isBusy = false;
  await eventually(() => state.collected === 1);
  await release.close();
});

test("an idle process collects garbage once for the stores that request it together, and never without a request", async () => {
  const { state, release } = watched();
  await Bun.sleep(50);
  expect(state.collected).toBe(0);
  for (let tenant = 0; tenant < 100; tenant += 1) release.request();
  await eventually(() => state.collected === 1);
  await Bun.sleep(50);
  expect(state.collected).toBe(1);
  release.request();
  await eventually(() => state.collected === 2);
  await release.close();
});

test("a process that closes collects nothing more", async () => {
  const { state, release } = watched();
  release.request();
  await release.close();
  await Bun.sleep(20);
  expect(state.collected).toBe(0);
});
