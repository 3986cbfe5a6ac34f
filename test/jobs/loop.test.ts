import { expect, test } from "bun:test";

import type { Clock } from "../../src/core/clock.ts";
import { systemClock } from "../../src/core/system-clock.ts";
import type { JobOutcome } from "../../src/jobs/job.ts";
import { type JobFailure, type RunningJob, startLoop } from "../../src/jobs/loop.ts";

/** Runs the tasks that are ready. */
const settle = () => Bun.sleep(0);

interface Looped {
  readonly loop: RunningJob;
  /** Rests and delays that the loop asked for, in milliseconds. */
  readonly sleeps: number[];
  readonly failures: JobFailure[];
  runs(): number;
  /** Ends the rest or delay in progress. */
  awake(): void;
  /** Moves the monotonic clock on, in milliseconds. */
  pass(ms: number): void;
}

/** A loop whose n-th run does `run(n)`, under a clock that sleeps until it is awakened. */
function looped(
  run: (n: number, signal: AbortSignal) => JobOutcome | Promise<JobOutcome>,
  chance = 0,
): Looped {
  const sleeps: number[] = [];
  const failures: JobFailure[] = [];
  let runs = 0;
  let awake = () => {};
  let nowMs = 0;
  const clock: Clock = {
    ...systemClock,
    monotonic: () => nowMs,
    sleep(ms, signal) {
      sleeps.push(ms);
      return new Promise((resolve) => {
        awake = resolve;
        if (signal?.aborted === true) resolve();
        signal?.addEventListener("abort", () => resolve());
      });
    },
  };
  const loop = startLoop(
    {
      name: "test",
      async run({ signal }) {
        runs += 1;
        return run(runs, signal);
      },
    },
    {
      clock,
      chance: () => chance,
      backoff: { firstMs: 100, lastMs: 350, stableMs: 5_000 },
      onFailure: (_error, failure) => failures.push(failure),
    },
  );
  return { loop, sleeps, failures, runs: () => runs, awake: () => awake(), pass: (ms) => void (nowMs += ms) };
}

test("a loop runs its job at once, and again only when the idle job is woken", async () => {
  const { loop, runs } = looped(() => "idle");
  expect(runs()).toBe(1);
  await settle();
  expect(runs()).toBe(1);
  loop.wake();
  await settle();
  expect(runs()).toBe(2);
  await loop.close();
});

test("a wake-up during a run leads to one more run", async () => {
  const first = Promise.withResolvers<JobOutcome>();
  const { loop, runs } = looped((n) => (n === 1 ? first.promise : "idle"));
  loop.wake();
  loop.wake();
  first.resolve("idle");
  await settle();
  expect(runs()).toBe(2);
  await loop.close();
});

test("a job that progressed runs until it is idle, and a job that is over runs no more", async () => {
  const { loop, runs } = looped((n) => (n < 4 ? "progressed" : "over"));
  await loop.ended;
  expect(runs()).toBe(4);
  loop.wake();
  await settle();
  expect(runs()).toBe(4);
});

test("a wake-up ends a wait, and shortens no rest", async () => {
  const { loop, runs, sleeps, awake } = looped((n) =>
    n === 1 ? { restMs: 50 } : { until: () => new Promise(() => {}) },
  );
  await settle();
  loop.wake();
  await settle();
  expect([runs(), sleeps]).toEqual([1, [50]]);
  awake();
  await settle();
  expect(runs()).toBe(2);
  loop.wake();
  await settle();
  expect(runs()).toBe(3);
  await Promise.race([loop.close(), Bun.sleep(1_000).then(() => Promise.reject(new Error("still open")))]);
});

test("delays after failures double up to the longest, and a success resets them", async () => {
  const { loop, sleeps, failures, awake } = looped((n) => {
    if (n === 5) return "progressed";
    throw new Error(`run ${n}`);
  });
  for (let n = 1; n <= 4; n += 1) {
    await settle();
    expect(loop.failure()).toMatchObject({ attempts: n, error: `run ${n}` });
    awake();
  }
  // The fifth run succeeds, and the sixth fails.
  await settle();
  await settle();
  expect(sleeps).toEqual([100, 200, 350, 350, 100]);
  expect(failures.map(({ attempts }) => attempts)).toEqual([1, 2, 3, 4, 1]);
  expect(new Set(failures.slice(0, 4).map(({ since }) => since)).size).toBe(1);
  await loop.close();
});

test("a failure after a stable run is the first of a row", async () => {
  const { loop, sleeps, failures, awake, pass } = looped((n) => {
    if (n === 3) pass(5_000);
    throw new Error(`run ${n}`);
  });
  for (let n = 1; n <= 4; n += 1) {
    await settle();
    awake();
  }
  await settle();
  expect(sleeps.slice(0, 4)).toEqual([100, 200, 100, 200]);
  expect(failures.slice(0, 4).map(({ attempts }) => attempts)).toEqual([1, 2, 1, 2]);
  await loop.close();
});

test("a retry ends the delay after a failure, and omits the delay if the current run fails", async () => {
  const second = Promise.withResolvers<JobOutcome>();
  const { loop, runs, sleeps } = looped((n) => {
    if (n === 2) return second.promise;
    throw new Error(`run ${n}`);
  });
  await settle();
  expect(runs()).toBe(1);
  loop.retry();
  await settle();
  expect(runs()).toBe(2);
  loop.retry();
  second.reject(new Error("run 2"));
  await settle();
  expect(runs()).toBe(3);
  // The third run failed after the retry, so its delay lasts.
  await settle();
  expect([runs(), sleeps.length]).toEqual([3, 3]);
  await loop.close();
});

test("chance shortens a delay by a quarter at most", async () => {
  const { loop, sleeps } = looped(() => Promise.reject(new Error("storage")), 1);
  await settle();
  expect(sleeps).toEqual([75]);
  await loop.close();
});

test("closing aborts the run in progress and resolves when that has ended", async () => {
  const aborted = Promise.withResolvers<JobOutcome>();
  let isDone = false;
  const { loop, runs } = looped((_n, signal) => {
    signal.addEventListener("abort", () => {
      isDone = true;
      aborted.resolve("progressed");
    });
    return aborted.promise;
  });
  await loop.close();
  expect([isDone, runs()]).toEqual([true, 1]);
});

test("no run begins after the loop was closed, whenever that was", async () => {
  for (let turns = 0; turns < 12; turns += 1) {
    const began: boolean[] = [];
    const { loop, awake } = looped((n, signal) => {
      began.push(signal.aborted);
      return n === 1 ? { restMs: 50 } : "idle";
    });
    await settle();
    awake();
    // The rest has ended, and the next run begins some tasks later.
    for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
    await loop.close();
    expect(began).not.toContain(true);
  }
});
