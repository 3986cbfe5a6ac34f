import { describe, expect, test } from "bun:test";

import fc from "fast-check";

import { nameFault, prefixEnd } from "../../src/core/names.ts";

const byUtf8 = (a: string, b: string) => Buffer.compare(Buffer.from(a), Buffer.from(b));

describe("prefixEnd", () => {
  test("is above every text with the prefix, and no other text lies between", () => {
    const text = fc.string({ unit: "binary", minLength: 1 });
    fc.assert(
      fc.property(text, fc.string({ unit: "binary" }), text, (prefix, rest, other) => {
        fc.pre(prefix.isWellFormed() && (prefix + rest).isWellFormed() && other.isWellFormed());
        const end = prefixEnd(prefix);
        const within = (name: string) => byUtf8(name, prefix) >= 0 && (end === null || byUtf8(name, end) < 0);
        expect(within(prefix + rest)).toBe(true);
        expect(within(other)).toBe(other.startsWith(prefix));
      }),
      { numRuns: 2_000 },
    );
  });

  test("skips surrogates, and returns null when no text is greater", () => {
    expect(prefixEnd("a")).toBe("b");
    expect(prefixEnd("\ud7ff")).toBe("\ue000");
    expect(prefixEnd("a\u{10ffff}")).toBe("b");
    expect(prefixEnd("\u{10ffff}")).toBeNull();
  });
});

test("nameFault counts bytes, not characters", () => {
  expect(nameFault("é".repeat(5), 10)).toBeNull();
  expect(nameFault("é".repeat(6), 10)).not.toBeNull();
  expect(nameFault("\ud800", 10)).not.toBeNull();
  expect(nameFault("..", 10)).not.toBeNull();
});
