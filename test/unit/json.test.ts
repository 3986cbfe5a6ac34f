import { expect, test } from "bun:test";

import fc from "fast-check";

import { depthAtMost, parseJson } from "../../src/core/json.ts";

/** JSON texts written as people and other languages write them: with spaces, escapes and numbers of their own. */
const written = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom(
      "null",
      "true",
      "0",
      "-0",
      "1.0",
      "1e5",
      "12345678901234567890",
      '"\\u00e9"',
      '"\\/"',
      '" [{"',
    ),
    fc.string().map((text) => JSON.stringify(text)),
    fc.array(tie("value")).map((items) => `[ ${items.join(" , ")}]`),
    fc
      .uniqueArray(fc.tuple(fc.string(), tie("value")), { selector: ([name]) => name })
      .map(
        (members) => `{${members.map(([name, value]) => `${JSON.stringify(name)}: ${value}`).join(",\n")} }`,
      ),
  ),
})).value;

test("the text of a part is what was written", () => {
  fc.assert(
    fc.property(fc.array(written, { minLength: 1 }), fc.boolean(), (values, spaced) => {
      fc.pre(values.every((value) => value.isWellFormed() && !/\\ud[89a-f]/i.test(value)));
      const text = `{"list":[${values.join(spaced ? ", " : ",")}]}`;
      const json = parseJson(text, 100);
      const { list } = json.value as { list: unknown[] };
      expect(list.map((value, index) => json.textAt(["list", index], value))).toEqual(values);
    }),
    { numRuns: 1_000 },
  );
});

test("depth is counted as a parser would", () => {
  const depthOf = (value: unknown): number =>
    typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
  fc.assert(
    fc.property(written, (text) => {
      expect(depthAtMost(text, 0)).toBe(depthOf(JSON.parse(text)));
    }),
    { numRuns: 1_000 },
  );
});
