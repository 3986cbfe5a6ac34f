import { describe, expect, test } from "bun:test";

import Ajv from "ajv/dist/2020";
import fc from "fast-check";
import { z } from "zod";

import { breakingChanges, breakingChangeText, RULES } from "../../../src/feeds/contract/compatibility.ts";
import { publishedSchemas } from "../../../src/feeds/contract/contract-schema.ts";

const amount = z.object({ amount: z.number() });

function changes(before: z.ZodType, now: z.ZodType) {
  const [published, defined] = [before, now].map((schema) => publishedSchemas({ T: schema }));
  expect([published?.faults, defined?.faults]).toEqual([[], []]);
  const found = breakingChanges(published?.schemas ?? {}, defined?.schemas ?? {});
  return found.map(({ rule, pointer }) => `${rule} ${pointer}`);
}

interface Tree {
  readonly name: string;
  readonly children: readonly Tree[];
}
const tree = (name: z.ZodType<string>): z.ZodType<Tree> => {
  const node: z.ZodType<Tree> = z.lazy(() => z.object({ name, children: z.array(node) }));
  return z.object({ name, children: z.array(node) });
};

const named = z.string().meta({ id: "Named" });

describe("a change that only adds, or produces less,", () => {
  test.each<[string, z.ZodType, z.ZodType]>([
    ["a new member", amount, amount.extend({ currency: z.string() })],
    ["a new optional member", amount, amount.extend({ note: z.string().optional() })],
    [
      "a new member within",
      z.object({ a: z.array(amount) }),
      z.object({ a: z.array(amount.extend({ b: z.null() })) }),
    ],
    [
      "a member that is always there now",
      z.object({ a: z.string().optional() }),
      z.object({ a: z.string() }),
    ],
    ["never null now", z.object({ a: z.string().nullable() }), z.object({ a: z.string() })],
    ["fewer values", z.enum(["a", "b"]), z.enum(["a"])],
    ["one value", z.enum(["a", "b"]), z.literal("b")],
    ["some values of any text", z.string(), z.enum(["a", "b"])],
    ["whole numbers", z.number(), z.int()],
    ["a limit", z.string(), z.string().max(3).min(1)],
    ["a pattern", z.string(), z.string().regex(/^a/)],
    ["a narrower range", z.number().min(1), z.number().gt(1).max(3)],
    ["a format", z.string(), z.email()],
    ["a description", amount, amount.describe("of money")],
    ["something of anything", z.unknown(), amount],
    ["fewer alternatives", z.union([z.string(), z.number(), z.null()]), z.union([z.null(), z.int()])],
    [
      "a member of an alternative",
      z.discriminatedUnion("k", [z.object({ k: z.literal("a") }), z.object({ k: z.literal("b") })]),
      z.discriminatedUnion("k", [
        z.object({ k: z.literal("a"), x: z.string() }),
        z.object({ k: z.literal("b") }),
      ]),
    ],
    ["a closed object", amount, z.strictObject({ amount: z.number() })],
    ["a record of less", z.record(z.string(), z.number()), z.record(z.string(), z.int())],
    [
      "a named member of a record",
      z.record(z.string(), z.number()),
      z.object({ a: z.int() }).catchall(z.number()),
    ],
    [
      "an intersection of more",
      z.intersection(amount, z.object({ b: z.string() })),
      z.intersection(amount, z.object({ b: z.string(), c: z.string() })),
    ],
    [
      "a new member beside a named type with a default",
      z.object({ a: named.default("x") }),
      z.object({ a: named.default("x"), b: z.string() }),
    ],
    ["a recursive type, narrowed", tree(z.string()), tree(z.string().max(9))],
    ["tuples of less", z.tuple([z.string(), z.number()]), z.tuple([z.literal("a"), z.int()])],
    ["some values of a text with a length", z.string().min(1), z.enum(["a", "b"])],
    ["one value of whole numbers", z.int().min(1).max(9), z.literal(5)],
    ["one value of a format", z.email(), z.literal("ida@example.com")],
    ["multiples of a decimal fraction", z.number().multipleOf(0.1), z.number().multipleOf(0.3)],
    ["whole numbers above the one before the least", z.number().min(5), z.int().gt(4)],
    ["whole numbers from the one after an open limit", z.int().gt(4), z.int().min(5)],
    ["whole numbers below the one after the most", z.int().max(5), z.int().lt(6)],
    ["a format that is never empty", z.string().min(1), z.uuid()],
    [
      "a tuple of what a list held",
      z.array(z.string()),
      z.tuple([z.literal("a"), z.string()]).rest(z.email()),
    ],
    ["values of alternatives", z.union([z.string().min(2), z.int()]), z.literal(["ab", 7])],
    ["multiples of a multiple", z.number().multipleOf(5), z.number().multipleOf(10)],
  ])("is allowed: %s", (_name, before, now) => {
    expect(changes(before, now)).toEqual([]);
  });

  test("may add an event type", () => {
    expect(breakingChanges({ A: {} }, { A: {}, B: {} })).toEqual([]);
  });
});

describe("a breaking change", () => {
  test.each<[string, z.ZodType, z.ZodType, string[]]>([
    [
      "a removed member",
      z.object({ a: z.string(), b: z.string() }),
      z.object({ b: z.string() }),
      ["member-removed /properties/a"],
    ],
    [
      "a removed optional member",
      z.object({ a: z.string().optional() }),
      z.object({}),
      ["member-removed /properties/a"],
    ],
    [
      "a renamed member",
      z.object({ "a/b": z.int() }),
      z.object({ c: z.int() }),
      ["member-removed /properties/a~1b"],
    ],
    ["an optional member now", amount, amount.partial(), ["member-optional /properties/amount"]],
    [
      "deep within",
      z.object({ a: z.array(z.object({ b: amount })) }),
      z.object({ a: z.array(z.object({ b: amount.partial() })) }),
      ["member-optional /properties/a/items/properties/b/properties/amount"],
    ],
    ["another type", amount, z.object({ amount: z.string() }), ["type-widened /properties/amount/type"]],
    ["fractions now", z.int(), z.number(), ["type-widened /type"]],
    ["null now", z.string(), z.string().nullable(), ["type-widened "]],
    ["anything now", z.string(), z.unknown(), ["type-widened /type"]],
    ["more values", z.enum(["a"]), z.enum(["a", "b"]), ["values-widened /enum"]],
    ["any text now", z.literal("a"), z.string(), ["values-widened /const"]],
    ["another constant", z.literal("a"), z.literal("b"), ["values-widened /const"]],
    ["a lower limit", z.number().min(1), z.number().min(0), ["constraint-loosened /minimum"]],
    ["an included limit", z.number().gt(1), z.number().min(1), ["constraint-loosened /exclusiveMinimum"]],
    ["no limit", z.number().max(1), z.number(), ["constraint-loosened /maximum"]],
    ["a longer text", z.string().max(1), z.string().max(2), ["constraint-loosened /maxLength"]],
    ["a shorter list", z.array(z.int()).min(1), z.array(z.int()), ["constraint-loosened /minItems"]],
    ["another pattern", z.string().regex(/^a$/), z.string().regex(/^b$/), ["constraint-loosened /pattern"]],
    ["no format", z.iso.date(), z.string(), ["constraint-loosened /pattern", "constraint-loosened /format"]],
    [
      "other multiples",
      z.number().multipleOf(5),
      z.number().multipleOf(2),
      ["constraint-loosened /multipleOf"],
    ],
    [
      "one more alternative",
      z.union([z.string(), z.int()]),
      z.union([z.string(), z.int(), z.boolean()]),
      ["type-widened "],
    ],
    [
      "a changed alternative",
      z.discriminatedUnion("k", [
        z.object({ k: z.literal("a"), x: z.int() }),
        z.object({ k: z.literal("b") }),
      ]),
      z.discriminatedUnion("k", [z.object({ k: z.literal("a") }), z.object({ k: z.literal("b") })]),
      ["member-removed /oneOf/0/properties/x"],
    ],
    ["an opened object", z.strictObject({}), z.object({}), ["object-opened /additionalProperties"]],
    [
      "a member of a closed object",
      z.strictObject({}),
      z.strictObject({ a: z.int() }),
      ["object-opened /additionalProperties"],
    ],
    [
      "a record of more",
      z.record(z.string(), z.int()),
      z.record(z.string(), z.number()),
      ["type-widened /additionalProperties/type"],
    ],
    [
      "other keys",
      z.record(z.string().max(2), z.int()),
      z.record(z.string(), z.int()),
      ["constraint-loosened /propertyNames/maxLength"],
    ],
    [
      "another default",
      z.object({ a: z.int().default(1) }),
      z.object({ a: z.int().default(2) }),
      ["default-changed /properties/a/default"],
    ],
    [
      "another default of a named type",
      z.object({ a: named.default("x") }),
      z.object({ a: named.default("y") }),
      ["default-changed /properties/a/default"],
    ],
    [
      "a longer tuple",
      z.tuple([z.int()]),
      z.tuple([z.int(), z.int()]),
      ["constraint-loosened /maxItems", "not-comparable /prefixItems"],
    ],
  ])("is found: %s", (_name, before, now, expected) => {
    expect(changes(before, now)).toEqual(expected);
  });

  test("is found within a recursive type", () => {
    const found = changes(tree(z.string().max(3)), tree(z.string()));
    expect(found.length).toBeGreaterThan(0);
    expect(found.every((text) => text.startsWith("constraint-loosened"))).toBe(true);
  });

  test.each<[string, object, object]>([
    ["a keyword it does not know", { if: { type: "string" } }, { if: { type: "number" } }],
    ["`not`", { type: "string", not: { const: "a" } }, { type: "string" }],
    ["a reference elsewhere", { $ref: "https://example.org/a" }, { $ref: "https://example.org/b" }],
    [
      "a union with more beside it",
      { anyOf: [{ type: "string" }], minLength: 1 },
      { anyOf: [{ type: "string" }] },
    ],
    [
      "an alternative that matches two of oneOf",
      { oneOf: [{ type: "object" }, { type: "object", required: ["a"] }] },
      { type: "object", required: ["a"] },
    ],
  ])("is assumed where schemas cannot be compared: %s", (_name, before, now) => {
    expect(breakingChanges({ T: before }, { T: now }).map(({ rule }) => rule)).toEqual(["not-comparable"]);
  });

  test("is found in a part of an `allOf`", () => {
    const part = (required: string[]) => ({ type: "object", properties: { b: { type: "null" } }, required });
    const before = { allOf: [part([]), part(["b"])] };
    expect(breakingChanges({ T: before }, { T: { allOf: [part(["b"]), part([])] } })).toEqual([]);
    const found = breakingChanges({ T: before }, { T: { allOf: [part([]), part([])] } });
    expect(found).toMatchObject([{ rule: "member-optional", pointer: "/allOf/1/properties/b" }]);
  });

  test("is described in words when it removes a type", () => {
    const [change] = breakingChanges({ Paid: {}, Sent: {} }, { Sent: {} });
    expect(change).toEqual({
      type: "Paid",
      pointer: "",
      rule: "type-removed",
      detail: "is not published any more",
    });
    expect(change === undefined ? "" : breakingChangeText(change)).toBe(
      `Paid: is not published any more (type-removed: ${RULES["type-removed"]})`,
    );
  });
});

/** Small schemas over few names and values, so that two of them often have to do with each other. */
const schema: fc.Arbitrary<object> = fc.letrec<{ schema: object }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.constantFrom({}, { type: "null" }, { type: "string" }, { type: "integer" }, { type: "number" }),
    fc.record(
      {
        type: fc.constant("number"),
        minimum: fc.integer({ min: 0, max: 2 }),
        exclusiveMaximum: fc.integer({ min: 1, max: 3 }),
      },
      { requiredKeys: ["type"] },
    ),
    fc.record(
      { type: fc.constant("string"), minLength: fc.nat(2), maxLength: fc.nat(2) },
      { requiredKeys: ["type"] },
    ),
    fc.record({ enum: fc.uniqueArray(fc.constantFrom("a", "b", 1, null), { minLength: 1 }) }),
    fc.record({ type: fc.constantFrom(["string", "null"], ["integer", "object"]) }),
    fc.record({ anyOf: fc.array(tie("schema"), { minLength: 1, maxLength: 3 }) }),
    fc.record({ oneOf: fc.array(tie("schema"), { minLength: 1, maxLength: 2 }) }),
    fc.record(
      { allOf: fc.array(tie("schema"), { minLength: 1, maxLength: 2 }), type: fc.constant("object") },
      { requiredKeys: ["allOf"] },
    ),
    fc.record(
      { type: fc.constant("array"), items: tie("schema"), maxItems: fc.nat(2) },
      { requiredKeys: ["type"] },
    ),
    fc
      .record(
        {
          properties: fc.dictionary(fc.constantFrom("x", "y"), tie("schema"), { maxKeys: 2 }),
          required: fc.uniqueArray(fc.constantFrom("x", "y")),
          additionalProperties: fc.oneof(fc.boolean(), tie("schema")),
        },
        { requiredKeys: [] },
      )
      .map((object) => ({ type: "object", ...object })),
  ),
})).schema;

const value = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 2 },
    fc.constantFrom<unknown>("a", "b", "", "abc", 0, 1, 1.5, 2, null, true),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom("x", "y", "z"), tie("value"), { maxKeys: 2 }),
  ),
})).value;

describe("schemas of any form", () => {
  test("a schema is compatible with itself", () => {
    fc.assert(
      fc.property(schema, (same) => {
        expect(breakingChanges({ T: same }, { T: structuredClone(same) })).toEqual([]);
        const within = { properties: { a: same, b: {} }, required: ["a"] };
        expect(breakingChanges({ T: within }, { T: { ...within, required: ["a", "b"] } })).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });

  test("if nothing breaks, all that is produced now could be produced before", () => {
    const ajv = new Ajv({ strict: false });
    let compatible = 0;
    let produced = 0;
    fc.assert(
      fc.property(
        schema,
        schema,
        fc.array(value, { minLength: 20, maxLength: 20 }),
        (before, now, values) => {
          if (breakingChanges({ T: before }, { T: now }).length > 0) return;
          compatible += 1;
          const [was, is] = [ajv.compile(before), ajv.compile(now)];
          for (const each of values) {
            if (!is(each)) continue;
            produced += 1;
            expect(was(each), JSON.stringify({ before, now, each })).toBe(true);
          }
        },
      ),
      { numRuns: 4_000 },
    );
    expect(compatible).toBeGreaterThan(50);
    expect(produced).toBeGreaterThan(500);
  });
});
