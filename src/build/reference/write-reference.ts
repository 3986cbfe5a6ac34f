import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

import { REFERENCE_FOLDER, referencePages } from "./reference-pages.ts";

// `npm run docs:reference`: writes `src/docs/reference`. A test fails when the pages are not those of the code.
const pages = await referencePages();
rmSync(REFERENCE_FOLDER, { recursive: true, force: true });
mkdirSync(REFERENCE_FOLDER);
for (const [name, text] of pages) await Bun.write(join(REFERENCE_FOLDER, `${name}.md`), text);
console.log(`Wrote ${pages.size} pages`);
