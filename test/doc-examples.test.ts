import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { Glob } from "bun";

import * as client from "../src/client/index.ts";
import * as consumer from "../src/consumer/index.ts";
import * as decider from "../src/decider/index.ts";
import * as embed from "../src/embed/index.ts";
import * as config from "../src/index.ts";
import * as testing from "../src/testing.ts";
import * as webhook from "../src/webhooks/receive/index.ts";
import * as worker from "../src/worker.ts";
import { faultsInProject } from "./support/typescript.ts";

const SOURCE = join(import.meta.dir, "../src");
const ENTRIES = { config, client, consumer, decider, embed, testing, webhook, worker };

const EXAMPLE = /\n \* @example\n \* ```ts\n([^]*?)\n \* ```/g;

/** A doc comment directly before an exported function. */
const DOCUMENTED = /\/\*\*((?:[^*]|\*(?!\/))*)\*\/\nexport (?:async )?function (\w+)/g;

const texts = [...new Glob("**/*.ts").scanSync(SOURCE)]
  .toSorted()
  .map((file) => ({ file, text: readFileSync(join(SOURCE, file), "utf8") }));

test("every function of the package's entries has an example", () => {
  const withExample = new Set(
    texts.flatMap(({ text }) =>
      [...text.matchAll(DOCUMENTED)].flatMap(([, doc = "", name]) =>
        doc.includes("@example") ? [name] : [],
      ),
    ),
  );
  const without = Object.entries(ENTRIES).flatMap(([entry, exported]) =>
    Object.entries(exported)
      .filter(
        ([name, value]) =>
          typeof value === "function" && !String(value).startsWith("class") && !withExample.has(name),
      )
      .map(([name]) => `${entry}: ${name}`),
  );
  expect(without).toEqual([]);
});

test("the examples in doc comments compile", async () => {
  const examples = texts.flatMap(({ file, text }) =>
    [...text.matchAll(EXAMPLE)].map(([, code = ""]) => ({ file, code: code.replaceAll(/^ \* ?/gm, "") })),
  );
  const nameOf = (index: number) => `example${index}.ts`;
  const faults = await faultsInProject(
    Object.fromEntries(examples.map(({ code }, index) => [nameOf(index), `${code}\nexport {};\n`])),
  );
  const fileOf = (name: string) => examples.find((_example, index) => nameOf(index) === name)?.file ?? name;
  expect(faults.map((fault) => fault.replace(/^example\d+\.ts/, fileOf))).toEqual([]);
  expect(examples.length).toBeGreaterThan(15);
}, 60_000);
