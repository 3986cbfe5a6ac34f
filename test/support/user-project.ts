import { symlinkSync } from "node:fs";
import { join } from "node:path";

import { LIBRARY } from "../../src/build/library.ts";
import { emptyFolder } from "../cli/support.ts";

const ROOT = join(import.meta.dir, "../..");

/** The source of each entry of the package, by the name that users import. */
function entryPaths(): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(
    LIBRARY.filter(({ isEntry }) => isEntry).map(({ name, entry }) => [
      name === "index" ? "kilde" : `kilde/${name}`,
      [join(ROOT, entry)],
    ]),
  );
}

/** A folder in which programs find what a project that uses Kilde has installed. */
export async function userProject(files: Readonly<Record<string, string>> = {}): Promise<string> {
  const cwd = emptyFolder();
  symlinkSync(join(ROOT, "node_modules"), join(cwd, "node_modules"));
  const all = { ...files, "tsconfig.json": JSON.stringify({ compilerOptions: { paths: entryPaths() } }) };
  for (const [name, text] of Object.entries(all)) await Bun.write(join(cwd, name), text);
  return cwd;
}
