import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { retryAfterMs } from "../../src/core/retry-after.ts";

const NOW = Date.parse("2026-02-01T12:00:00Z");
const HOUR_MS = 3_600_000;

const after = (value: string | null, date?: string) =>
  retryAfterMs(value, { date, nowMs: NOW, mostMs: HOUR_MS });

describe("Retry-After", () => {
  test.each([
    ["0", 0],
    ["120", 120_000],
    [" 7 ", 7_000],
    ["3601", HOUR_MS],
    ["99999999999999999999999999", HOUR_MS],
    ["Sun, 01 Feb 2026 12:01:00 GMT", 60_000],
    ["Sunday, 01-Feb-26 12:01:00 GMT", 60_000],
    ["Sun Feb  1 12:01:00 2026", 60_000],
    ["Sun, 01 Feb 2026 11:00:00 GMT", 0],
    ["Fri, 31 Dec 9999 23:59:59 GMT", HOUR_MS],
    ["Friday, 31-Dec-75 23:59:59 GMT", HOUR_MS],
    ["Friday, 31-Dec-99 23:59:59 GMT", 0],
  ])("%j requests a wait of %d ms", (value, ms) => {
    expect(after(value)).toBe(ms);
  });

  test.each([null, "", "-5", "1.5", "1e3", "soon", "2026-02-01T12:01:00Z", "Sun, 01 Abc 2026 12:01:00 GMT"])(
    "%j is invalid",
    (value) => {
      expect(after(value)).toBeNull();
    },
  );

  test("a date is relative to the answer's own date", () => {
    expect(after("Sun, 01 Feb 2026 14:00:30 GMT", "Sun, 01 Feb 2026 14:00:00 GMT")).toBe(30_000);
  });

  test("the wait of any text is null or within the bound", () => {
    const value = fc.oneof(
      fc.string(),
      fc.nat().map(String),
      fc.date().map((date) => date.toUTCString()),
    );
    fc.assert(
      fc.property(value, fc.option(value), (text, date) => {
        const ms = retryAfterMs(text, { date, nowMs: NOW, mostMs: HOUR_MS });
        expect(ms === null || (ms >= 0 && ms <= HOUR_MS)).toBe(true);
      }),
    );
  });
});
