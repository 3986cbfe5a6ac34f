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

/** The file that an example is shown as. */
const fileName = (code: string) => /^\/\/ (\S+\.ts)\n/.exec(code)?.[1];

/** Name of the module of an example in the program that is compiled. */
const moduleName = (index: number) => `example${index}.ts`;

/** The example of a page that is shown as a file. */
function moduleOfFile(page: string, name: string): string | undefined {
  const index = blocks.findIndex((block) => block.page === page && fileName(block.code) === name);
  return index === -1 ? undefined : moduleName(index);
}

/** An example as a module: each declaration is exported, so that others can import it. */
function moduleOf({ page, code }: { readonly page: string; readonly code: string }): string {
  const text = code
    .replaceAll("npm:@kilde/server", "kilde")
    .replaceAll(/^(const|type) /gm, "export $1 ")
    .replaceAll(
      /from "\.\/(.+?)"/g,
      (_match, name: string) => `from "./${moduleOfFile(page, name) ?? name}"`,
    );
  return `${text}\nexport {};\n`;
}

function moduleThatDefines(definition: string): string {
  const block = blocks.find(({ code }) => code.includes(definition));
  if (block === undefined) throw new Error(`no example has ${definition}`);
  return moduleOf(block);
}

/** The parts of Express that examples need, which the project does not depend on. */
const EXPRESS = `declare module "express" {
  interface Request { readonly headers: Record<string, string | string[] | undefined>; readonly body: Uint8Array<ArrayBuffer> }
  interface Response { status(code: number): Response; json(value: unknown): void; end(): void }
  type Handler = (req: Request, res: Response) => Promise<void>;
  type Middleware = { readonly isMiddleware: true };
  interface App { post(path: string, body: Middleware, handler: Handler): void; listen(port: number): void }
  function express(): App;
  namespace express {
    function raw(options: { readonly type: () => boolean; readonly limit: string }): Middleware;
  }
  export default express;
}
`;

test("every TypeScript example of the documentation compiles", async () => {
  const names = new Map(blocks.map(({ place }, index) => [moduleName(index), place]));
  const examples = blocks.map((block, index) => [moduleName(index), moduleOf(block)] as const);
  const modules = Object.entries(OWN_MODULES).map(
    ([name, definition]) => [name, moduleThatDefines(definition)] as const,
  );
  const faults = await faultsInProject({
    ...Object.fromEntries([...modules, ...examples]),
    "kilde.config.ts": 'import { defineConfig } from "kilde";\nexport default defineConfig({});\n',
    "balances.ts": 'export { balances } from "../test/examples/accounts/balances.ts";\n',
    "users-v1.ts":
      'import { feed } from "kilde/consumer";\nexport const usersV1 = feed<{ Registered: { name: string } }>("users/v1");\n',
    "express.d.ts": EXPRESS,
    "context.d.ts": DOCS_CONTEXT,
  });
  const found = faults.map((fault) => fault.replace(/^example\d+\.ts/, (name) => names.get(name) ?? name));
  expect(found).toEqual([]);
  expect(blocks.length).toBeGreaterThan(15);
}, 60_000);

test("no TypeScript example has a placeholder in its code", () => {
  const withPlaceholder = blocks.filter(({ code }) => code.replaceAll(/\/\/.*$/gm, "").includes("…"));
  expect(withPlaceholder.map(({ place }) => place)).toEqual([]);
});
