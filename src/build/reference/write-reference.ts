import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { DIAGRAMS_FOLDER, drawDiagrams } from "../draw-diagrams.ts";
import { REFERENCE_FOLDER, referencePages } from "./reference-pages.ts";

/*
 * `npm run docs:reference`: writes the reference, and draws the diagrams of the guide. A test fails when they are not
 * those of the code and the pages.
 */

async function write(folder: string, files: ReadonlyMap<string, string>): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const [name, text] of files) await Bun.write(join(folder, name), text);
}

const pages = await referencePages();
await write(REFERENCE_FOLDER, new Map([...pages].map(([name, text]) => [`${name}.md`, text])));
const diagrams = drawDiagrams();
await write(DIAGRAMS_FOLDER, diagrams);
console.log(`Wrote ${pages.size} pages and ${diagrams.size} diagrams`);
