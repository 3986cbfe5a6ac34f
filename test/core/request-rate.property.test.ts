import { expect, test } from "bun:test";
import fc from "fast-check";

import { createRequestRate } from "../../src/core/request-rate.ts";

const senders = fc.constantFrom("a", "b", "c");

test("a sender has no more events than the burst and one for each interval, and a refusal costs nothing", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.integer({ min: 1, max: 500 }),
      fc.array(fc.record({ sender: senders, afterMs: fc.integer({ min: 0, max: 400 }) }), { maxLength: 200 }),
      (burst, intervalMs, events) => {
        const rate = createRequestRate({ intervalMs, burst, mostSenders: 100 });
        const accepted = new Map<string, number[]>();
        let nowMs = 0;
        for (const { sender, afterMs } of events) {
          nowMs += afterMs;
          const { isWithin, left, waitMs } = rate.count(sender, nowMs);
          expect(left).toBeGreaterThanOrEqual(0);
          expect(left).toBeLessThan(burst);
          expect(waitMs > 0).toBe(!isWithin);
          const times = accepted.get(sender) ?? [];
          if (isWithin) times.push(nowMs);
          accepted.set(sender, times);
          // In every window up to now, and however the requests are spread.
          times.forEach((from, index) => {
            const most = burst + (nowMs - from) / intervalMs;
            expect(times.length - index).toBeLessThanOrEqual(most + 1e-6);
          });
        }
      },
    ),
  );
});

test("an event after the time to wait is within the rate", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 10 }), fc.integer({ min: 1, max: 500 }), (burst, intervalMs) => {
      const rate = createRequestRate({ intervalMs, burst, mostSenders: 10 });
      for (let n = 0; n < burst; n += 1) expect(rate.count("a", 0).isWithin).toBe(true);
      const { isWithin, waitMs } = rate.count("a", 0);
      expect(isWithin).toBe(false);
      expect(rate.count("a", waitMs - 0.5).isWithin).toBe(false);
      expect(rate.count("a", waitMs).isWithin).toBe(true);
      expect(rate.count("b", 0).isWithin).toBe(true);
    }),
  );
});

test("the sender that has been silent for longest is forgotten when more do not fit", () => {
  const rate = createRequestRate({ intervalMs: 1_000, burst: 1, mostSenders: 2 });
  for (const sender of ["a", "b", "a", "c"]) rate.count(sender, 0);
  expect(rate.count("a", 0).isWithin).toBe(false);
  expect(rate.count("c", 0).isWithin).toBe(false);
  expect(rate.count("b", 0).isWithin).toBe(true);
});
