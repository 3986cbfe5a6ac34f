import { expect, test } from "bun:test";

import { documentedCode } from "../support/markdown.ts";
import { DOCS_CONTEXT } from "../support/docs-context.ts";
import { faultsInProject } from "../support/typescript.ts";

/** Modules that examples import as files of the reader's own: examples as well, found by what they define. */
const OWN_MODULES: Readonly<Record<string, string>> = {
  "account.ts": "const account: Decider<",
  "declarations.ts": "const declarations = defineFeed(",
};

const blocks = documentedCode().filter(({ language }) => language === "ts");

/** An example as a module: each declaration is exported, so that others can import it. */
function moduleOf(code: string): string {
  return `${code.replaceAll("npm:kilde", "kilde").replaceAll(/^(const|type) /gm, "export $1 ")}\nexport {};\n`;
}

function moduleThatDefines(definition: string): string {
  const block = blocks.find(({ code }) => code.includes(definition));
  if (block === undefined) throw new Error(`no example has ${definition}`);
  return moduleOf(block.code);
}

test("every TypeScript example of the documentation compiles", async () => {
  const names = new Map(blocks.map(({ place }, index) => [`example${index}.ts`, place]));
  const examples = blocks.map(({ code }, index) => [`example${index}.ts`, moduleOf(code)] as const);
  const modules = Object.entries(OWN_MODULES).map(
    ([name, definition]) => [name, moduleThatDefines(definition)] as const,
  );
  const faults = await faultsInProject({
    ...Object.fromEntries([...modules, ...examples]),
    "kilde.config.ts": 'import { defineConfig } from "kilde";\nexport default defineConfig({});\n',
    "balances.ts": 'export { balances } from "../test/examples/accounts/balances.ts";\n',
    "context.d.ts": DOCS_CONTEXT,
  });
  const told = faults.map((fault) => fault.replace(/^example\d+\.ts/, (name) => names.get(name) ?? name));
  expect(told).toEqual([]);
  expect(blocks.length).toBeGreaterThan(15);
}, 60_000);

test("no TypeScript example has a placeholder in its code", () => {
  const withPlaceholder = blocks.filter(({ code }) => code.replaceAll(/\/\/.*$/gm, "").includes("…"));
  expect(withPlaceholder.map(({ place }) => place)).toEqual([]);
});
