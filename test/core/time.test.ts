import { expect, test } from "bun:test";
import fc from "fast-check";

import { earliestRecorded, latestRecorded } from "../../src/core/time.ts";

/** A time of RFC 3339 with an offset and any number of digits, and its exact place in microseconds since 1970. */
const time = fc
  .record({
    utcMs: fc.date({
      min: new Date("0000-01-03T00:00:00Z"),
      max: new Date("9999-12-29T00:00:00Z"),
      noInvalidDate: true,
    }),
    micros: fc.integer({ min: 0, max: 999 }),
    offsetMinutes: fc.integer({ min: -23 * 60 - 59, max: 23 * 60 + 59 }),
    digits: fc.constantFrom(0, 3, 6),
  })
  .map(({ utcMs, micros, offsetMinutes, digits }) => {
    const ms = digits === 0 ? Math.floor(utcMs.getTime() / 1_000) * 1_000 : utcMs.getTime();
    const local = new Date(ms + offsetMinutes * 60_000).toISOString();
    const fraction =
      digits === 0 ? "" : `.${local.slice(20, 23)}${digits === 6 ? String(micros).padStart(3, "0") : ""}`;
    const [hours, minutes] = [Math.floor(Math.abs(offsetMinutes) / 60), Math.abs(offsetMinutes) % 60];
    const offset = `${offsetMinutes < 0 ? "-" : "+"}${String(hours).padStart(2, "0")}:${String(minutes).padStart(2, "0")}`;
    return {
      text: `${local.slice(0, 19)}${fraction}${offset}`,
      exact: BigInt(ms) * 1_000n + BigInt(digits === 6 ? micros : 0),
    };
  });

test("recorded times compare as text with a time of any offset, year and precision as the times do", () => {
  fc.assert(
    fc.property(time, fc.integer({ min: -2, max: 2 }), ({ text, exact }, near) => {
      const recordedMs = Number(exact / 1_000n) + near;
      const recorded = new Date(recordedMs).toISOString();
      expect(recorded <= latestRecorded(text)).toBe(BigInt(recordedMs) * 1_000n <= exact);
      expect(recorded >= earliestRecorded(text)).toBe(BigInt(recordedMs) * 1_000n >= exact);
    }),
    { numRuns: 1_000 },
  );
});

test("times whose UTC form has another number of digits are at the ends", () => {
  expect(latestRecorded("9999-12-31T23:59:59-01:00")).toBe("9999-12-31T23:59:59.999Z");
  expect(earliestRecorded("0000-01-01T00:00:00+01:00")).toBe("0000-01-01T00:00:00.000Z");
});
