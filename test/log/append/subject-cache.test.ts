import { expect, test } from "bun:test";
import fc from "fast-check";

import { createSubjectCache } from "../../../src/log/append/subject-cache.ts";

const CAPACITY_BYTES = 10_000;

const names = fc.integer({ min: 0, max: 60 }).map((n) => `stream-${n}`);
const operations = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ set: names, text: fc.string({ maxLength: 600 }) }) },
    { weight: 3, arbitrary: fc.record({ get: names }) },
    { weight: 1, arbitrary: fc.record({ delete: names }) },
  ),
  { maxLength: 400 },
);

test("a subject cache returns the last value set or nothing, and holds no more than its capacity", () => {
  fc.assert(
    fc.property(operations, (done) => {
      const cache = createSubjectCache<{ text: string }>(CAPACITY_BYTES, ({ text }) => text.length);
      const model = new Map<string, string>();
      for (const operation of done) {
        if ("set" in operation) {
          cache.set(operation.set, { text: operation.text });
          model.set(operation.set, operation.text);
        } else if ("get" in operation) {
          const found = cache.get(operation.get);
          if (found !== undefined) expect(found.text).toBe(model.get(operation.get) ?? "deleted");
        } else {
          cache.delete(operation.delete);
          model.delete(operation.delete);
          expect(cache.get(operation.delete)).toBeUndefined();
        }
      }
      const held = [...model].filter(([name]) => cache.get(name) !== undefined);
      const characters = held.reduce((sum, [name, text]) => sum + name.length + text.length, 0);
      expect(characters).toBeLessThan(CAPACITY_BYTES);
    }),
  );
});

test("a subject cache keeps the entries that fit, in any order of access", () => {
  const cache = createSubjectCache<{ n: number }>(1_000_000, () => 0);
  const fitting = Array.from({ length: 2_000 }, (_, n) => `stream-${n}`);
  for (let round = 0; round < 20; round += 1)
    for (const [n, name] of fitting.entries()) cache.set(name, { n });
  expect(fitting.map((name) => cache.get(name))).toEqual(fitting.map((_, n) => ({ n })));
});

test("a subject cache lets go of large states sooner than of small ones", () => {
  const held = (characters: number) => {
    const cache = createSubjectCache<{ text: string }>(100_000, ({ text }) => text.length);
    const all = Array.from({ length: 1_000 }, (_, n) => `stream-${n}`);
    for (const name of all) cache.set(name, { text: "x".repeat(characters) });
    return all.filter((name) => cache.get(name) !== undefined).length;
  };
  expect(held(10)).toBeGreaterThan(100);
  expect(held(10_000)).toBeLessThan(10);
});

test("a subject cache keeps a state of its own", () => {
  const cache = createSubjectCache<{ n: number }>(1_000_000, () => 0);
  const first = { n: 1 };
  cache.set("stream", first);
  cache.set("stream", { n: 2 });
  expect(first).toEqual({ n: 1 });
  expect(cache.get("stream")).toEqual({ n: 2 });
});
