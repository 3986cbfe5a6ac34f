import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { exportsOf } from "../../../src/build/reference/declarations.ts";
import { REFERENCE_FOLDER, referencePages } from "../../../src/build/reference/reference-pages.ts";
import { cleanUp, emptyFolder } from "../../cli/support.ts";

cleanUp();

/** The first line that differs, which is clearer than two pages. */
function staleLine(written: string, current: string): string | null {
  const lines = written.split("\n");
  const index = current.split("\n").findIndex((line, at) => line !== lines[at]);
  if (index === -1) return written === current ? null : "lines at the end";
  return `line ${index + 1}: ${current.split("\n")[index]}`;
}

test("reference: the pages are those of the code; `npm run docs:reference` writes them", async () => {
  const pages = await referencePages();
  const stale = [...pages].flatMap(([name, text]) => {
    const path = join(REFERENCE_FOLDER, `${name}.md`);
    const line = staleLine(readFileSync(path, "utf8"), text);
    return line === null ? [] : [`${name}.md, ${line}`];
  });
  expect(stale).toEqual([]);
  expect(readdirSync(REFERENCE_FOLDER).toSorted()).toEqual(
    [...pages.keys()].map((name) => `${name}.md`).toSorted(),
  );
}, 60_000);

test("reference: exports are found through other modules, with their comments and overloads", async () => {
  const folder = emptyFolder();
  await Bun.write(
    join(folder, "index.d.ts"),
    'import { type B } from "./other.ts";\nexport { a } from "./other.ts";\nexport type { B };\nexport type * from "./more.ts";\n',
  );
  await Bun.write(
    join(folder, "other.d.ts"),
    "/** Adds. */\nexport declare function a(x: string): void;\nexport declare function a(x: number): void;\nexport interface B {\n    /** One. */\n    readonly c: 1;\n}\n",
  );
  await Bun.write(join(folder, "more.d.ts"), "/**\n * Two\n * lines.\n */\nexport type C = 1;\nexport {};\n");
  const found = exportsOf(join(folder, "index.d.ts"));
  expect(found.map(({ name, kind, parts }) => [name, kind, parts.map(({ comment }) => comment)])).toEqual([
    ["a", "function", ["/** Adds. */", ""]],
    ["B", "type", [""]],
    ["C", "type", ["/**\n * Two\n * lines.\n */"]],
  ]);
  expect(found[1]?.parts[0]?.text).toBe("export interface B {\n    /** One. */\n    readonly c: 1;\n}");
});
