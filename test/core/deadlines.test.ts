import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { createDeadlines } from "../../src/core/deadlines.ts";

/** A clock that moves only when the test advances it, and whose wall clock is always wrong. */
function madeClock() {
  let nowMs = 0;
  let corrections = 0;
  const sleepers = new Set<{ readonly dueMs: number; readonly wake: () => void }>();
  const settle = async () => {
    for (let n = 0; n < 20; n += 1) await Promise.resolve();
  };
  return {
    sleepers,
    clock: {
      // Corrected at each reading, by hours and in both directions.
      now: () => nowMs + (-1) ** corrections * (corrections += 1) * 3_600_000,
      monotonic: () => nowMs,
      yield: () => Promise.resolve(),
      sleep: (ms: number, signal?: AbortSignal) =>
        new Promise<void>((resolve) => {
          const sleeper = { dueMs: nowMs + ms, wake: resolve };
          sleepers.add(sleeper);
          signal?.addEventListener("abort", () => {
            sleepers.delete(sleeper);
            resolve();
          });
        }),
    },
    async advance(ms: number) {
      const end = nowMs + ms;
      for (;;) {
        const [next] = [...sleepers].filter(({ dueMs }) => dueMs <= end).sort((a, b) => a.dueMs - b.dueMs);
        if (next === undefined) break;
        nowMs = Math.max(nowMs, next.dueMs);
        sleepers.delete(next);
        next.wake();
        await settle();
      }
      nowMs = end;
    },
  };
}

describe("deadlines", () => {
  test("each expires after its time and not before, unless it was settled, on one timer", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.record({ wait: fc.nat(150), settled: fc.boolean() }), { maxLength: 20 }),
        async (starts) => {
          const { clock, sleepers, advance } = madeClock();
          const deadlines = createDeadlines(clock, 100);
          const expired = new Map<number, number>();
          const begun: number[] = [];
          for (const [index, { wait, settled }] of starts.entries()) {
            await advance(wait);
            begun[index] = clock.monotonic();
            const settle = deadlines.start(() => expired.set(index, clock.monotonic()));
            if (settled) settle();
            expect(sleepers.size).toBeLessThanOrEqual(1);
          }
          await advance(1_000);
          const due = starts.flatMap(({ settled }, index) =>
            settled ? [] : [[index, (begun[index] ?? 0) + 100]],
          );
          expect([...expired]).toEqual(due as [number, number][]);
          expect(sleepers.size).toBe(0);
        },
      ),
    );
  });

  test("closing makes all expire, once", async () => {
    const { clock, sleepers, advance } = madeClock();
    const deadlines = createDeadlines(clock, 100);
    let expired = 0;
    deadlines.start(() => (expired += 1));
    deadlines.start(() => (expired += 10))();
    deadlines.close();
    expect([expired, sleepers.size]).toEqual([1, 0]);
    deadlines.start(() => (expired += 100));
    expect(expired).toBe(101);
    await advance(1_000);
    expect(expired).toBe(101);
  });
});
