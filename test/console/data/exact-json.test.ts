import { expect, test } from "bun:test";

import fc from "fast-check";

import { parseExact } from "../../../src/console/data/exact-json.ts";
import { valueDifferences } from "../../../src/core/value-differences.ts";

test.each([
  "[9007199254740993, 1]",
  '{"id":-12345678901234567890}',
  '[{"a":[9007199254740993,1,"9007199254740993"]},null,true,0.5]',
  '{"__proto__":{"id":12345678901234567890},"text":"id:12345678901234567890"}',
])("exact JSON: the integers of %s are written as they were", (text) => {
  expect(JSON.stringify(parseExact(text))).toBe(text.replace(", ", ","));
});

test("exact JSON: integers that JavaScript rounds to one number differ, at their place", () => {
  const [left, right] = ['{"a":[9007199254740992]}', '{"a":[9007199254740993]}'].map(parseExact);
  const differences = valueDifferences(left, right);
  expect(differences.map(({ pointer }) => pointer)).toEqual(["/a/0"]);
  expect(JSON.stringify(differences[0]?.right)).toBe("9007199254740993");
  expect(valueDifferences(right, parseExact('{"a":[9007199254740993]}'))).toEqual([]);
  expect(valueDifferences(right, { a: [5] })).toHaveLength(1);
  expect(valueDifferences(right, { a: ["9007199254740993"] })).toHaveLength(1);
  expect(valueDifferences(right, { a: [{ rawJSON: "9007199254740993" }] })).toHaveLength(1);
});

test("exact JSON: everything else is parsed as usual", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify([value, 1e300, 0.1, 9007199254740991]);
      expect(JSON.stringify(parseExact(text))).toBe(text);
    }),
  );
  expect(() => parseExact("[12345678901234567890")).toThrow(SyntaxError);
});
