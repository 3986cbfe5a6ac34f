import type { Clock } from "../../../src/core/clock.ts";

interface Sleeper {
  readonly at: number;
  readonly order: number;
  readonly wake: () => void;
}

/** Time that passes only when nothing else is to be done. */
export interface MadeTime {
  now(): number;
  /** A clock whose wall clock is off by so much. */
  clock(offsetMs: number | (() => number)): Clock;
  /** Goes on until a time. */
  runUntil(time: number): Promise<void>;
}

/** `answered` resolves when nothing is under way any more that takes real time: a libSQL server's answers. */
export function createMadeTime(start: number, answered: () => Promise<unknown>): MadeTime {
  let now = start;
  let order = 0;
  const sleepers: Sleeper[] = [];

  const settle = async () => {
    await answered();
    // Everything else is promises that are resolved at once, in chains of which none is longer than this.
    for (let round = 0; round < 3; round += 1) await new Promise((resolve) => setImmediate(resolve));
  };

  const sleep = (ms: number, signal?: AbortSignal) =>
    new Promise<void>((resolve) => {
      if (signal?.aborted === true) {
        resolve();
        return;
      }
      const sleeper = { at: now + Math.max(0, ms), order: (order += 1), wake: resolve };
      const place = sleepers.findIndex(({ at }) => at > sleeper.at);
      sleepers.splice(place < 0 ? sleepers.length : place, 0, sleeper);
      signal?.addEventListener(
        "abort",
        () => {
          const index = sleepers.indexOf(sleeper);
          if (index >= 0) sleepers.splice(index, 1);
          resolve();
        },
        { once: true },
      );
    });

  return {
    now: () => now,
    clock: (offsetMs) => ({
      now: () => now + (typeof offsetMs === "number" ? offsetMs : offsetMs()),
      monotonic: () => now - start,
      sleep,
      yield: () => sleep(0),
    }),
    async runUntil(time) {
      for (;;) {
        await settle();
        const [next] = sleepers;
        if (next === undefined || next.at > time) break;
        now = Math.max(now, next.at);
        while (sleepers[0] !== undefined && sleepers[0].at <= now) sleepers.shift()?.wake();
      }
      now = Math.max(now, time);
    },
  };
}

/** Calls that are under way. */
export function trackedCalls() {
  const underWay = new Set<Promise<unknown>>();
  return {
    track<Result>(call: Promise<Result>): Promise<Result> {
      const ended: Promise<unknown> = call.catch(() => {}).finally(() => underWay.delete(ended));
      underWay.add(ended);
      return call;
    },
    async settled(): Promise<void> {
      while (underWay.size > 0) {
        await Promise.all(underWay);
        // What was answered may ask for more.
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
  };
}
