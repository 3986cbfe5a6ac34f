import { expect, test } from "bun:test";

import fc from "fast-check";

import { valueDifferences } from "../../src/core/value-differences.ts";

test("a value does not differ from its copy", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      expect(valueDifferences(value, structuredClone(value))).toEqual([]);
    }),
  );
});

test("every difference is reported once, with its pointer", () => {
  const left = { a: 1, b: [1, 2], c: { "d/e": null }, f: [] };
  const right = { a: 2, b: [1], c: { "d/e": 0 }, f: {} };
  expect(valueDifferences(left, right)).toEqual([
    { pointer: "/a", left: 1, right: 2 },
    { pointer: "/b/1", left: 2, right: undefined },
    { pointer: "/c/d~1e", left: null, right: 0 },
    { pointer: "/f", left: [], right: {} },
  ]);
});
