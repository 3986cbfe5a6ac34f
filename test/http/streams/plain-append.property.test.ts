import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { z } from "zod";

import { DEFAULT_LIMITS } from "../../../src/core/limits.ts";
import { isPlainAppend, isPlainEntry, isPlainTransaction } from "../../../src/http/streams/plain-append.ts";
import { createSchemas } from "../../../src/http/openapi/schemas.ts";

const limits = { ...DEFAULT_LIMITS, typeBytes: 12, streamNameBytes: 12, idempotencyKeyBytes: 12 };
const { appendBody, bulkAppend, transactionBody } = createSchemas(limits);

/** Values that are nearly valid bodies, in every way that the schemas look at. */
const name = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom("Opened", "kilde", "aeiou-aeiou-") },
  fc.string({ unit: "binary", maxLength: 14 }),
  fc.constantFrom("", ".", "..", "kilde.x", "tab\t", "\u{d800}", "ææææææ", "æææææææ"),
  fc.jsonValue(),
);
const time = fc.oneof(
  { weight: 20, arbitrary: fc.date({ noInvalidDate: true }).map((date) => date.toISOString()) },
  fc.constantFrom(
    "2026-02-28T23:59:59+23:59",
    "2026-02-29T00:00:00Z",
    "2024-02-29T00:00:00.1234567Z",
    "2026-01-31T12:00:00",
    "2026-01-31T12:00Z",
    "2026-01-31T24:00:00Z",
    "2026-01-31T12:00:00+0100",
    "2026-01-31t12:00:00z",
    "2026-01-31T12:00:00Z\n",
  ),
  fc.jsonValue(),
);
const text = fc.oneof(
  { weight: 20, arbitrary: fc.string({ minLength: 1, maxLength: 3 }) },
  fc.constantFrom("", "x".repeat(1_024), "x".repeat(1_025), "😀".repeat(512)),
  fc.jsonValue(),
);
const metadata = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record(
      { correlationId: text, causationId: text, traceparent: text, tracestate: text, free: fc.jsonValue() },
      { requiredKeys: [] },
    ),
  },
  fc.dictionary(fc.constantFrom("__proto__", "constructor", "a"), fc.jsonValue()),
  fc.jsonValue(),
);
const attributes = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.dictionary(
      fc.constantFrom(
        "dataschema",
        "datacontenttype",
        "own",
        "Own",
        "sequence",
        "id",
        "metadata",
        "__proto__",
      ),
      fc.oneof(
        fc.constantFrom("application/json", "a/b+json", "{}", "", 1, 1.5, 2 ** 31, true, null),
        fc.jsonValue(),
      ),
      { maxKeys: 2 },
    ),
  },
  fc.jsonValue(),
);
const member = fc.constantFrom("type", "data", "time", "metadata", "events", "__proto__", "other");
const event = fc.oneof(
  { weight: 20, arbitrary: fc.record({ type: fc.constant("Opened"), data: fc.jsonValue() }) },
  { weight: 8, arbitrary: fc.record({ type: name, data: fc.jsonValue() }, { requiredKeys: [] }) },
  {
    weight: 12,
    arbitrary: fc.record(
      { type: fc.constant("Opened"), data: fc.jsonValue(), time, metadata, attributes },
      { requiredKeys: ["type"] },
    ),
  },
  { weight: 2, arbitrary: fc.dictionary(member, fc.jsonValue()) },
  fc.jsonValue(),
);
const events = fc.oneof(
  { weight: 12, arbitrary: fc.array(event, { minLength: 1, maxLength: 3 }) },
  fc.oneof(fc.array(event, { maxLength: 2 }), event),
);
const expectedVersion = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom("any", "exists", 0, -0, 1, Number.MAX_SAFE_INTEGER) },
  fc.constantFrom(-1, 1.5, Number.MAX_SAFE_INTEGER + 1, 1e300, "none", null),
  fc.jsonValue(),
);
const append = fc.oneof(
  { weight: 8, arbitrary: fc.record({ events, expectedVersion }, { requiredKeys: ["events"] }) },
  fc.jsonValue(),
);
const entry = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record(
      { stream: name, events, expectedVersion, idempotencyKey: name },
      { requiredKeys: ["stream", "events"] },
    ),
  },
  fc.dictionary(fc.constantFrom("stream", "events", "__proto__", "other"), fc.oneof(name, events)),
  fc.jsonValue(),
);
const usual = fc.constant({ stream: "s", events: [{ type: "Opened" }], expectedVersion: 0 });
const part = fc.oneof({ weight: 2, arbitrary: usual }, entry);
const transaction = fc.oneof(
  { weight: 8, arbitrary: fc.record({ appends: fc.array(part, { maxLength: 2 }) }) },
  fc.record({ appends: fc.jsonValue(), other: fc.jsonValue() }, { requiredKeys: [] }),
);

const BODIES: readonly {
  readonly body: string;
  readonly arbitrary: fc.Arbitrary<unknown>;
  readonly isPlain: (value: unknown, of: typeof limits) => boolean;
  readonly schema: z.ZodType;
}[] = [
  { body: "an append", arbitrary: append, isPlain: isPlainAppend, schema: appendBody },
  { body: "an entry of many appends", arbitrary: entry, isPlain: isPlainEntry, schema: bulkAppend },
  { body: "a transaction", arbitrary: transaction, isPlain: isPlainTransaction, schema: transactionBody },
];

/** The members that the JSON texts of the values have, in any order. */
function members(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value));
}

describe.each(BODIES)("$body", ({ arbitrary, isPlain, schema }) => {
  test("is taken without its schema only if that gives the same value", () => {
    const taken = { plain: 0, other: 0 };
    const property = fc.property(arbitrary, (value) => {
      const parsed: unknown = JSON.parse(JSON.stringify(value));
      const isTaken = isPlain(parsed, limits);
      taken[isTaken ? "plain" : "other"] += 1;
      if (!isTaken) return;
      expect(members(schema.parse(parsed))).toEqual(parsed);
    });
    fc.assert(property, { numRuns: 3_000 });
    expect(Math.min(taken.plain, taken.other)).toBeGreaterThan(100);
  });

  test("is taken without its schema if it is valid and has no odd member", () => {
    const property = fc.property(arbitrary, (value) => {
      const json = JSON.stringify(value);
      fc.pre(!json.includes("__proto__"));
      const parsed: unknown = JSON.parse(json);
      expect(isPlain(parsed, limits)).toBe(schema.safeParse(parsed).success);
    });
    fc.assert(property, { numRuns: 3_000 });
  });
});
