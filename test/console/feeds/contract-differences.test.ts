import { expect, test } from "bun:test";

import fc from "fast-check";

import { contractDifferences } from "../../../src/console/feeds/contract-differences.ts";

const object = (properties: Record<string, unknown>, required = Object.keys(properties)) => ({
  type: "object",
  properties,
  required,
});

test("contract: types that only one version has are added or removed", () => {
  expect(
    contractDifferences({ Old: object({}), Kept: object({}) }, { Kept: object({}), New: object({}) }),
  ).toEqual([
    { type: "Kept", kind: "same", members: [] },
    { type: "New", kind: "added", members: [] },
    { type: "Old", kind: "removed", members: [] },
  ]);
});

test("contract: members are compared by path, with their kinds and limits", () => {
  const integer = { type: "integer", minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER };
  const before = object({ amount: { type: "number" }, kept: integer, note: { type: "string" } });
  const after = object(
    {
      cents: { ...integer, minimum: 0 },
      kept: integer,
      note: { type: "string" },
      by: { enum: ["a", "b"] },
      lines: { type: "array", items: object({ sku: { anyOf: [{ type: "string" }, { type: "null" }] } }) },
    },
    ["cents", "kept", "lines"],
  );
  expect(contractDifferences({ Paid: before }, { Paid: after })[0]?.members).toEqual([
    { path: "amount", before: "number", after: null },
    { path: "note", before: "string", after: "string, optional" },
    { path: "cents", before: null, after: "integer, minimum 0" },
    { path: "by", before: null, after: '"a" or "b", optional' },
    { path: "lines", before: null, after: "array" },
    { path: "lines[]", before: null, after: "object" },
    { path: "lines[].sku", before: null, after: "string or null" },
  ]);
});

test("contract: references are followed, also to a schema that contains itself", () => {
  const tree = (leaf: string) => ({
    $ref: "#/$defs/Node",
    $defs: { Node: object({ value: { type: leaf }, next: { $ref: "#/$defs/Node" } }) },
  });
  const [difference] = contractDifferences({ Grown: tree("string") }, { Grown: tree("number") });
  expect(difference?.members[0]).toEqual({ path: "value", before: "string", after: "number" });
  expect(difference?.members.length).toBeLessThan(20);
});

test("contract: a schema of any form equals its copy", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (schema) => {
      expect(contractDifferences({ T: schema }, { T: structuredClone(schema) })).toEqual([
        { type: "T", kind: "same", members: [] },
      ]);
    }),
  );
});
