import { describe, expect, test } from "bun:test";

import fc from "fast-check";

import { KildeError } from "../../src/core/errors.ts";
import { compactJson, depthAtMost } from "../../src/core/json-scan.ts";
import { parseJson } from "../../src/core/json.ts";
import { gaps, writtenJson, writtenList } from "../support/written-json.ts";

function refusal(text: string): KildeError {
  try {
    parseJson(text, 1_000);
  } catch (error) {
    if (error instanceof KildeError) return error;
    throw error;
  }
  throw new Error(`accepted ${text}`);
}

describe("a JSON text", () => {
  test("returns each part on one line, with its numbers and strings as received", () => {
    const property = fc.property(
      fc.array(writtenJson, { minLength: 1, maxLength: 4 }),
      gaps,
      (values, around) => {
        const { spaced } = writtenList("[", "]", values, around);
        const json = parseJson(`{ "list" :${spaced}}`, 100);
        const { list: parsed } = json.value as { list: unknown[] };
        const texts: string[] = parsed.map((value, index) => json.textAt(["list", index], value));
        expect(texts).toEqual(values.map(({ compact }) => compact));
      },
    );
    fc.assert(property, { numRuns: 1_000 });
  });

  test("has the same value without the whitespace between its tokens", () => {
    const property = fc.property(writtenJson, ({ spaced, compact }) => {
      expect(compactJson(spaced)).toBe(compact);
      expect(JSON.parse(compactJson(spaced))).toEqual(JSON.parse(spaced));
    });
    fc.assert(property, { numRuns: 1_000 });
  });

  test("loses no token where there are many of them", () => {
    const numbers = Array.from({ length: 20_000 }, (_, index) => index);
    expect(compactJson(JSON.stringify(numbers, null, 1))).toBe(JSON.stringify(numbers));
  });

  test("is rejected at a member that occurs twice in its object, however its name is escaped", () => {
    const cases: readonly [text: string, pointer: string][] = [
      ['{"a":1,"a":1}', "/a"],
      ['{"a":1,"\\u0061":2}', "/a"],
      ['{"__proto__":1,"__proto__":2}', "/__proto__"],
      ['[0, {"b":{"c":[{}, {"x" : 1,\n"y": {"x":1}, "x" : 2}]}}]', "/1/b/c/1/x"],
    ];
    for (const [text, pointer] of cases) {
      const { code, members } = refusal(text);
      expect([code, members.errors?.[0]?.pointer]).toEqual(["malformed-json", pointer]);
    }
    expect(parseJson('[{"a":{"a":"a"}},{"a":1.0}, {"b":"a","a":"b"}]', 10).depthAtMost).toBeGreaterThan(0);
  });

  test("is parsed and looked up in time that grows with its length, also with very many unusual members", () => {
    const micros = (members: number): number => {
      const text = `{"m":{${Array.from({ length: members }, (_, index) => `"k${index}":1.0`).join(",")}}}`;
      // Time of the processor: a busy machine has the process wait.
      const start = process.cpuUsage();
      const json = parseJson(text, 10);
      for (let index = 0; index < members; index += 1) json.textAt(["m", `k${index}`], 1);
      return process.cpuUsage(start).user;
    };
    const least = (members: number) => Math.min(...[1, 2, 3].map(() => micros(members)));
    micros(1_000);
    // 32 times the members: 32 times as long when linear, 1,000 times when quadratic.
    expect(least(160_000) / Math.max(1_000, least(5_000))).toBeLessThan(300);
  }, 60_000);
});

test("depth is counted as a parser would", () => {
  const depthOf = (value: unknown): number =>
    typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
  fc.assert(
    fc.property(writtenJson, ({ spaced }) => {
      expect(depthAtMost(spaced, 0)).toBe(depthOf(JSON.parse(spaced)));
    }),
    { numRuns: 1_000 },
  );
});
