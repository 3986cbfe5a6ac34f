import { rmSync } from "node:fs";
import { join } from "node:path";

import type { LibraryPart } from "./library.ts";
import { reachableTypes } from "./reachable-types.ts";
import { run } from "./run.ts";

const ROOT = join(import.meta.dir, "../..");
const CACHE = join(ROOT, "node_modules/.cache/kilde");

/**
 * Writes the declarations (`.d.ts`) of parts of the library into a folder, which it empties before: those that a program
 * reaches which imports the parts.
 */
export async function emitTypes(outDir: string, parts: readonly LibraryPart[]): Promise<void> {
  // The compiler finds Bun's types from here.
  const config = join(CACHE, `tsconfig-${process.pid}.json`);
  await Bun.write(
    config,
    JSON.stringify({
      extends: join(ROOT, "tsconfig.json"),
      compilerOptions: {
        noEmit: false,
        declaration: true,
        emitDeclarationOnly: true,
        rootDir: join(ROOT, "src"),
        outDir,
      },
      include: [],
      files: ["src/assets.d.ts", ...parts.map(({ entry }) => entry)].map((file) => join(ROOT, file)),
    }),
  );
  rmSync(outDir, { recursive: true, force: true });
  try {
    await run([join(ROOT, "node_modules/.bin/tsc"), "--project", config], ROOT);
  } finally {
    rmSync(config);
  }
  const entries = parts.map(({ entry }) => join(outDir, entry.replace("src/", "").replace(/\.ts$/, ".d.ts")));
  const reached = await reachableTypes(entries);
  for (const path of new Bun.Glob("**/*.d.ts").scanSync({ cwd: outDir, absolute: true })) {
    if (!reached.has(path)) rmSync(path);
  }
}
