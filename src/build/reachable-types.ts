import { dirname, join } from "node:path";

/** The compiler writes each import of another declaration in one of these forms. */
const IMPORT = /(?:\bfrom |\bimport\()"(\.[^"]+)\.ts"/g;

/** The declarations that others import, beginning with `entries`. */
export async function reachableTypes(entries: readonly string[]): Promise<ReadonlySet<string>> {
  const reached = new Set(entries);
  // The loop also visits the entries that it adds.
  for (const path of reached) {
    for (const [, name] of (await Bun.file(path).text()).matchAll(IMPORT)) {
      reached.add(join(dirname(path), `${name}.d.ts`));
    }
  }
  return reached;
}
