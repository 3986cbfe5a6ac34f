import type { Clock } from "../../../src/core/clock.ts";

interface Sleeper {
  readonly at: number;
  readonly order: number;
  readonly wake: () => void;
}

/** Time that passes only when no other work is left. */
export interface MadeTime {
  now(): number;
  /** A clock with this offset of its wall clock. */
  clock(offsetMs: number | (() => number)): Clock;
  /** Runs until a time. */
  runUntil(time: number): Promise<void>;
}

/** `answered` resolves when no call that takes real time is in flight, those of a libSQL server; with whether one was. */
export function createMadeTime(start: number, answered: () => Promise<boolean>): MadeTime {
  let now = start;
  let order = 0;
  const sleepers: Sleeper[] = [];

  const settle = async () => {
    // All work but calls is promises that resolve at once, in chains no longer than this. Any of them may begin a call.
    for (let round = 0; round < 3; round += 1) {
      if (await answered()) round = 0;
      await new Promise((resolve) => setImmediate(resolve));
    }
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

/** Tracks calls in flight. */
export function trackedCalls() {
  const underWay = new Set<Promise<unknown>>();
  return {
    track<Result>(call: Promise<Result>): Promise<Result> {
      const ended: Promise<unknown> = call.catch(() => {}).finally(() => underWay.delete(ended));
      underWay.add(ended);
      return call;
    },
    /** Resolves when none is in flight, with whether one was. */
    async settled(): Promise<boolean> {
      const wasInFlight = underWay.size > 0;
      while (underWay.size > 0) {
        await Promise.all(underWay);
        // An answer may cause another call.
        await new Promise((resolve) => setImmediate(resolve));
      }
      return wasInFlight;
    },
  };
}
