import { cpSync } from "node:fs";
import { dirname, join, relative } from "node:path";

import type { LibraryPart } from "./library.ts";

/** The compiler writes each import of another declaration in one of these forms. */
const IMPORT = /(?:\bfrom |\bimport\()"(\.[^"]+)\.ts"/g;

/** Copies the declarations of some parts of the library, and those that they reach. */
export async function copyTypes(from: string, to: string, parts: readonly LibraryPart[]): Promise<void> {
  const fileOf = ({ entry }: LibraryPart) => entry.replace(/^src\//, "").replace(/\.ts$/, ".d.ts");
  const reached = new Set(parts.map((part) => join(from, fileOf(part))));
  // The loop also visits the files that it adds.
  for (const path of reached) {
    for (const [, name] of (await Bun.file(path).text()).matchAll(IMPORT)) {
      reached.add(join(dirname(path), `${name}.d.ts`));
    }
    cpSync(path, join(to, relative(from, path)));
  }
}
