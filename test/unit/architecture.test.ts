import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

import { Glob } from "bun";

const SOURCE = join(import.meta.dir, "../../src");

/** What each part may import, besides itself. Dependencies point one way: from the last to the first. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  log: ["core"],
  feed: ["core", "log"],
  http: ["core", "log", "feed", "webhook", "egress", "delivery"],
  client: ["core"],
  webhook: ["core"],
  egress: ["core"],
  delivery: ["core", "log", "webhook", "egress"],
  consumer: ["core", "client"],
  decider: ["core", "client"],
  config: ["core", "feed", "webhook", "egress", "index.ts"],
  server: ["core", "log", "feed", "webhook", "egress", "delivery", "http", "config"],
  embed: ["core", "feed", "http", "client", "config", "server"],
  cli: ["core", "log", "feed", "client", "webhook", "egress", "config", "server"],
  worker: ["core", "log", "feed", "egress", "delivery", "http", "config", "server"],
};

/** Time, chance and surroundings come in as parameters; only these touch the real ones. */
const ROOTS = /^(server|worker|cli|main\.ts|client\/(index|sleep)\.ts|(consumer|decider)\/index\.ts)/;
const AMBIENT = /\bDate\.now\(|\bMath\.random\(|\bset(Timeout|Interval|Immediate)\(|\bprocess\.env\b|\bBun\./;

const files = [...new Glob("**/*.ts").scanSync(SOURCE)].filter((file) => !file.endsWith(".d.ts"));

function partOf(file: string): string {
  return file.includes("/") ? file.slice(0, file.indexOf("/")) : file;
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(SOURCE, file), "utf8");
  return [...text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)].flatMap(([, specifier]) => {
    const target = relative(SOURCE, join(SOURCE, dirname(file), specifier ?? ""));
    return target.startsWith("..") ? [] : [target];
  });
}

test("every part imports only what it may", () => {
  const wrong = files.flatMap((file) => {
    const allowed = MAY_IMPORT[partOf(file)];
    if (allowed === undefined) return file.includes("/") ? [`${file}: unknown part`] : [];
    return importsOf(file)
      .filter((target) => partOf(target) !== partOf(file) && !allowed.includes(partOf(target)))
      .map((target) => `${file} imports ${target}`);
  });
  expect(wrong).toEqual([]);
});

test("time, chance and surroundings are parameters outside of the roots", () => {
  const wrong = files.filter(
    (file) => !ROOTS.test(file) && AMBIENT.test(readFileSync(join(SOURCE, file), "utf8")),
  );
  expect(wrong).toEqual([]);
});

test("files stay small", () => {
  const large = files.filter((file) => readFileSync(join(SOURCE, file), "utf8").split("\n").length > 300);
  expect(large).toEqual([]);
});
