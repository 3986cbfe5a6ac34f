import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { Glob } from "bun";

import { PROBLEMS } from "../../src/core/problems.ts";

const SOURCE = join(import.meta.dir, "../../src");
const PAGE = readFileSync(join(SOURCE, "docs/troubleshooting.md"), "utf8");

/** The inline code in the first cell of each row: codes, states and messages. */
const explained = PAGE.split("\n")
  .filter((line) => line.startsWith("| `"))
  .flatMap((row) => [...(row.split(" | ")[0] ?? "").matchAll(/`([^`]+)`/g)])
  .map(([, text = ""]) => text);

test("the page on troubleshooting explains each problem", () => {
  expect(Object.keys(PROBLEMS).filter((code) => !explained.includes(code))).toEqual([]);
});

test("the messages that the page explains are in the source", () => {
  const texts = [...new Glob("**/*.ts").scanSync(SOURCE)].map((file) =>
    readFileSync(join(SOURCE, file), "utf8"),
  );
  const fragments = explained
    .filter((text) => text.includes(" "))
    .flatMap((text) => text.split(/…|\d+(?:\.\d+)*|["()]/))
    .map((fragment) => fragment.trim())
    .filter((fragment) => fragment.length > 8);
  expect(fragments.filter((fragment) => !texts.some((text) => text.includes(fragment)))).toEqual([]);
  expect(fragments.length).toBeGreaterThan(5);
});
