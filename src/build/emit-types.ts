import { rmSync } from "node:fs";
import { join } from "node:path";

import { LIBRARY } from "./library.ts";
import { run } from "./run.ts";

const ROOT = join(import.meta.dir, "../..");
const CACHE = join(ROOT, "node_modules/.cache/kilde");

/** Writes the declarations (`.d.ts`) of the library into a folder, which it empties before. */
export async function emitTypes(outDir: string): Promise<void> {
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
      files: ["src/assets.d.ts", ...LIBRARY.map(({ entry }) => entry)].map((file) => join(ROOT, file)),
    }),
  );
  rmSync(outDir, { recursive: true, force: true });
  try {
    await run([join(ROOT, "node_modules/.bin/tsc"), "--project", config], ROOT);
  } finally {
    rmSync(config);
  }
}
