import { rmSync } from "node:fs";
import { join } from "node:path";

import type { BunPlugin } from "bun";

import { writeConsoleAssets } from "./console-assets.ts";
import { copyTypes } from "./copy-types.ts";
import { emitTypes } from "./emit-types.ts";
import { LIBRARY, type LibraryPart } from "./library.ts";
import { report } from "./report.ts";

const ROOT = join(import.meta.dir, "../..");

/** Programs that define feeds pass schemas of the zod that they have installed; libSQL has an addon for each platform. */
const EXTERNAL = ["zod", "libsql"];

/** Worker runtimes have these modules; for a browser target, the bundler would replace them. */
const runtimeModules: BunPlugin = {
  name: "runtime-modules",
  setup(build) {
    build.onResolve({ filter: /^node:(crypto|async_hooks)$/ }, ({ path }) => ({ path, external: true }));
  },
};

async function bundle(part: LibraryPart, outdir: string, format: "esm" | "cjs"): Promise<void> {
  const { name, entry, from, target } = part;
  await Bun.build({
    entrypoints: [join(ROOT, entry)],
    outdir,
    naming: `${name}.[ext]`,
    target,
    format,
    // The map of the whole server is larger than the server.
    sourcemap: format === "esm" && from === "kilde" ? "linked" : "none",
    plugins: [runtimeModules],
    external: EXTERNAL,
  });
  report(join(outdir, `${name}.js`));
}

/**
 * Builds the library into a folder: modules, the entries of `kilde` also as CommonJS in `cjs`, types, and the console for
 * workers in `assets`.
 */
export async function buildLibrary(outdir: string): Promise<void> {
  const commonJs = join(outdir, "cjs");
  rmSync(commonJs, { recursive: true, force: true });
  for (const part of LIBRARY) {
    await bundle(part, outdir, "esm");
    if (part.from === "kilde") await bundle(part, commonJs, "cjs");
  }
  // The files of this folder are CommonJS, also those with types.
  await Bun.write(join(commonJs, "package.json"), '{ "type": "commonjs" }\n');
  await writeConsoleAssets(join(outdir, "assets"));
  const types = join(outdir, "types");
  await emitTypes(types);
  const parts = LIBRARY.filter(({ from }) => from === "kilde");
  await copyTypes(types, join(commonJs, "types"), parts);
}
