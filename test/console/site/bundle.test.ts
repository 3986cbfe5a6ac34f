import { beforeAll, expect, test } from "bun:test";

import { type ConsoleBundle, bundleConsole } from "../../../src/console/site/bundle-console.ts";

/** Most bytes of all scripts and styles, compressed. */
const MOST_BYTES = 90_000;

/** Most bytes of the scripts that load with the overview. */
const MOST_FIRST_BYTES = 40_000;

let bundle: ConsoleBundle;
beforeAll(async () => {
  bundle = await bundleConsole();
});

function compressed(names: readonly string[]): number {
  return names
    .map((name) => Bun.gzipSync(Buffer.from(bundle.files.get(name)?.content ?? "")).byteLength)
    .reduce((sum, bytes) => sum + bytes, 0);
}

test("bundle: its scripts and styles take at most 90 kB, compressed", () => {
  const names = [...bundle.files.keys()].filter((name) => /\.(?:js|css)$/.test(name));
  expect(compressed(names)).toBeGreaterThan(5_000);
  expect(compressed(names)).toBeLessThan(MOST_BYTES);
});

test("bundle: the first view needs neither the other views nor the charts", () => {
  const scripts = [...bundle.files.keys()].filter((name) => name.endsWith(".js"));
  const later = scripts.filter((name) => /^(?:other-views|draw-chart)-/.test(name));
  expect(later).toHaveLength(2);
  expect(compressed(scripts.filter((name) => !later.includes(name)))).toBeLessThan(MOST_FIRST_BYTES);
});

test("bundle: the page's files exist, and every name has the hash of its content", () => {
  const { script, style, icon } = bundle.entry;
  for (const name of [script, style, icon]) expect(bundle.files.has(name)).toBe(true);
  for (const name of bundle.files.keys()) expect(name).toMatch(/^[\w-]+-[\da-z]{6,}\.(?:js|css|svg)$/);
});

test("bundle: it is the same for the same source", async () => {
  expect([...(await bundleConsole()).files.keys()].toSorted()).toEqual([...bundle.files.keys()].toSorted());
});

test("bundle: nothing in it evaluates text or sets markup from text", () => {
  for (const [name, { content }] of bundle.files) {
    expect([name, /\beval\(|new Function\(|document\.write|insertAdjacentHTML/.exec(content)?.[0]]).toEqual([
      name,
      undefined,
    ]);
  }
});
