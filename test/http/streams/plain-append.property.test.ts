import { describe, expect, test } from "bun:test";
import fc from "fast-check";

import { DEFAULT_LIMITS } from "../../../src/core/limits.ts";
import { isPlainAppend } from "../../../src/http/streams/plain-append.ts";
import { createSchemas } from "../../../src/http/openapi/schemas.ts";

const limits = { ...DEFAULT_LIMITS, typeBytes: 12 };
const { appendBody } = createSchemas(limits);

/** Values that are nearly the body of an append, in every way that the schema looks at. */
const type = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("Opened", "kilde", "aeiou-aeiou-") },
  fc.string({ unit: "binary", maxLength: 14 }),
  fc.constantFrom("", ".", "..", "kilde.x", "tab\t", "\u{d800}", "ææææææ", "æææææææ"),
  fc.jsonValue(),
);
const member = fc.constantFrom("type", "data", "time", "metadata", "events", "__proto__", "other");
const event = fc.oneof(
  { weight: 8, arbitrary: fc.record({ type, data: fc.jsonValue() }, { requiredKeys: [] }) },
  { weight: 2, arbitrary: fc.dictionary(member, fc.jsonValue()) },
  fc.jsonValue(),
);
const body = fc.oneof(
  { weight: 8, arbitrary: fc.record({ events: fc.array(event, { maxLength: 3 }) }) },
  fc.record({ events: fc.oneof(fc.array(event, { maxLength: 2 }), event), expectedVersion: fc.jsonValue() }),
  fc.jsonValue(),
);

describe("a plain append", () => {
  test("is taken without its schema only if that gives the same value", () => {
    const taken = { plain: 0, other: 0 };
    const property = fc.property(body, (value) => {
      const parsed: unknown = JSON.parse(JSON.stringify(value));
      const isPlain = isPlainAppend(parsed, limits);
      taken[isPlain ? "plain" : "other"] += 1;
      if (!isPlain) return;
      expect(appendBody.parse(parsed)).toEqual(parsed as never);
    });
    fc.assert(property, { numRuns: 3_000 });
    expect(Math.min(taken.plain, taken.other)).toBeGreaterThan(100);
  });

  test("has a type and data, or a type alone, for each event", () => {
    expect(
      isPlainAppend({ events: [{ type: "Opened", data: { a: [1] } }, { type: "Closed" }] }, limits),
    ).toBeTrue();
  });
});
