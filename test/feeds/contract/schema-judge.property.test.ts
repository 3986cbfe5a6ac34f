import { expect, test } from "bun:test";

import { type Schema, Validator } from "@cfworker/json-schema";
import Ajv, { type ValidateFunction } from "ajv/dist/2020";
import fc from "fast-check";

import { createAcceptor } from "../../../src/feeds/contract/schema-acceptor.ts";
import { createSchemaJudge } from "../../../src/feeds/contract/schema-judge.ts";

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 1_000);

const text = fc.constantFrom("", "a", "ab", "abc", "😀", "😀b", "B");
const number = fc.oneof(fc.integer({ min: -3, max: 6 }), fc.constantFrom(0.5, 1.5, 2 ** 53));
const name = fc.constantFrom("a", "b", "c");
const limit = fc.integer({ min: 0, max: 3 });

const { value } = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    fc.constantFrom<unknown>(null, true, false),
    text,
    number,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(name, tie("value"), { maxKeys: 3, noNullPrototype: true }),
  ),
}));

const kind = fc.constantFrom("null", "boolean", "string", "number", "integer", "array", "object");

const { schema } = fc.letrec<{ schema: unknown }>((tie) => {
  const list = fc.array(tie("schema"), { minLength: 1, maxLength: 3 });
  const keywords = {
    type: fc.oneof(kind, fc.uniqueArray(kind, { minLength: 1, maxLength: 3 })),
    const: value,
    enum: fc.uniqueArray(value, { minLength: 1, maxLength: 3, selector: (each) => JSON.stringify(each) }),
    minLength: limit,
    maxLength: limit,
    pattern: fc.constantFrom("^a", "b$", "^.$", "[A-Z]"),
    minimum: number,
    maximum: number,
    exclusiveMinimum: number,
    exclusiveMaximum: number,
    multipleOf: fc.constantFrom(1, 2, 3),
    minItems: limit,
    maxItems: limit,
    minProperties: limit,
    maxProperties: limit,
    properties: fc.dictionary(name, tie("schema"), { maxKeys: 3, noNullPrototype: true }),
    required: fc.uniqueArray(name, { maxLength: 2 }),
    additionalProperties: tie("schema"),
    propertyNames: tie("schema"),
    prefixItems: list,
    items: tie("schema"),
    anyOf: list,
    allOf: list,
    oneOf: list,
    not: tie("schema"),
    description: text,
  };
  const objects = fc
    .subarray(Object.keys(keywords) as (keyof typeof keywords)[], { minLength: 0, maxLength: 3 })
    .chain((chosen) => fc.record(Object.fromEntries(chosen.map((key) => [key, keywords[key]]))));
  return { schema: fc.oneof({ maxDepth: 3, depthSize: "small" }, fc.boolean(), objects, objects) };
});

/**
 * Returns the verdict of Ajv; undefined where its generated code refers to a variable that it does not declare, as for
 * `{ not: true, anyOf: [{ items: false }] }` within an `anyOf` (once in about a million of these schemas).
 */
function verdict(validate: ValidateFunction, each: unknown): boolean | undefined {
  try {
    return validate(each);
  } catch (error) {
    if (error instanceof ReferenceError && /^(items|props)\d+ is not defined$/.test(error.message))
      return undefined;
    throw error;
  }
}

test("a schema describes the same values as to two validators", () => {
  const ajv = new Ajv({ strict: false, logger: false });
  fc.assert(
    fc.property(schema, fc.array(value, { minLength: 1, maxLength: 5 }), (described, values) => {
      const accepts = createAcceptor(described);
      if (accepts === null) throw new Error("each of these keywords is known");
      const validator = new Validator(described as object, "2020-12");
      const validate = ajv.compile(described as object);
      const judge = createSchemaJudge(described);
      for (const each of values) {
        const expected = validator.validate(each).valid;
        expect(verdict(validate, each) ?? expected).toBe(expected);
        expect(accepts(each)).toBe(expected);
        expect(judge(each).length === 0).toBe(expected);
      }
    }),
    { numRuns: RUNS },
  );
}, 60_000);

test("a schema that refers to itself, or leaves a keyword to the validator, describes the same values", () => {
  const tree = {
    type: "object",
    properties: { children: { type: "array", items: { $ref: "#" } } },
    required: ["children"],
  };
  const judge = createSchemaJudge(tree);
  expect(judge({ children: [{ children: [] }] })).toEqual([]);
  expect(judge({ children: [{ children: [{}] }] }).map(({ pointer }) => pointer)).toContain(
    "/children/0/children/0",
  );
  const contains = { type: "array", contains: { const: 1 } };
  expect(createAcceptor(contains)).toBeNull();
  expect(createSchemaJudge(contains)([2, 1])).toEqual([]);
  expect(createSchemaJudge(contains)([2])).not.toEqual([]);
});

test("`format` is an annotation, also where a member has that name", () => {
  const judge = createSchemaJudge({
    type: "object",
    properties: { format: { type: "string", format: "email" } },
    minProperties: 1,
    contentSchema: true,
  });
  expect(judge({ format: "not an address" })).toEqual([]);
  expect(judge({ format: 1 }).map(({ pointer }) => pointer)).toEqual(["/format"]);
});

test("the exception for Ajv is needed until Ajv can run this schema", () => {
  const described: Schema = { anyOf: [{}, { anyOf: [{ items: false }], not: {} }] };
  const validate = new Ajv({ strict: false, logger: false }).compile(described);
  expect(() => validate({})).toThrow(ReferenceError);
  expect(verdict(validate, {})).toBeUndefined();
  expect(new Validator(described, "2020-12").validate({}).valid).toBe(true);
  expect(createAcceptor(described)?.({})).toBe(true);
});
