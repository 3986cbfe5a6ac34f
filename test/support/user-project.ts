import { readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";

import { emptyFolder } from "../cli/support.ts";

const ROOT = join(import.meta.dir, "../..");

interface Entry {
  readonly types: string;
}

/** The source of each entry of the package, by the name that users import. */
function entryPaths(): Readonly<Record<string, readonly string[]>> {
  const { exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
    readonly exports: Readonly<Record<string, Entry>>;
  };
  return Object.fromEntries(
    Object.entries(exports).map(([name, { types }]) => {
      const source = types.replace("./dist/types/", "src/").replace(/\.d\.ts$/, ".ts");
      return [name.replace(/^\./, "kilde"), [join(ROOT, source)]];
    }),
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
