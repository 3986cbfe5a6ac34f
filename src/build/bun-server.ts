import { rmSync } from "node:fs";
import { join } from "node:path";

import { SERVER_PROGRAMS, serverPlugins } from "./server-programs.ts";

const ROOT = join(import.meta.dir, "../..");

/** Paths that a bundle states relative to the working directory, or by the name of the source. */
const ASSET = /"\.\/(assets\/[^"/]+)"/g;
const THREAD = /new URL\("\.\/([a-z]+-thread)\.ts",import\.meta\.url\)/g;

/**
 * Builds the server for Bun, for platforms without a binary: `main.js`, its threads and its files. Only libSQL and its addon
 * are left to be installed.
 */
export async function buildBunServer(outdir: string): Promise<void> {
  rmSync(outdir, { recursive: true, force: true });
  const { outputs } = await Bun.build({
    entrypoints: SERVER_PROGRAMS.map((file) => join(ROOT, file)),
    target: "bun",
    format: "esm",
    outdir,
    naming: { entry: "[name].[ext]", chunk: "chunk-[hash].[ext]", asset: "assets/[name]-[hash].[ext]" },
    splitting: true,
    minify: true,
    sourcemap: "none",
    external: ["libsql"],
    plugins: await serverPlugins(join(ROOT, "node_modules/.cache/kilde")),
  });
  const assets = new Set<string>();
  const threads = new Set<string>();
  for (const { path, kind } of outputs) {
    if (kind === "asset") continue;
    const text = await Bun.file(path).text();
    for (const [, name = ""] of text.matchAll(ASSET)) assets.add(name);
    for (const [, name = ""] of text.matchAll(THREAD)) threads.add(name);
    await Bun.write(
      path,
      text
        .replaceAll(ASSET, 'import.meta.dir+"/$1"')
        .replaceAll(THREAD, 'new URL("./$1.js",import.meta.url)'),
    );
  }
  const files = outputs.filter(({ kind }) => kind === "asset").length;
  if (threads.size !== SERVER_PROGRAMS.length - 1 || assets.size !== files) {
    throw new Error(`The bundle names ${assets.size} of ${files} files, and ${threads.size} threads.`);
  }
}
