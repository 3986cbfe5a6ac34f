import { existsSync, mkdirSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";

import type { BunPlugin } from "bun";

import { optionalDependencies as addonVersions } from "../../node_modules/libsql/package.json" with { type: "json" };
import { writeConsoleAssets } from "./console-assets.ts";
import { embeddedConsole } from "./embedded-console.ts";
import { embeddedGuide } from "./embedded-guide.ts";
import { emitTypes } from "./emit-types.ts";
import { LIBRARY } from "./library.ts";
import { run } from "./run.ts";

/**
 * Builds the binary (`dist/kilde`), and the library for npm (`dist/*.js`, `dist/types`).
 *
 * --all: a binary for every target; --outdir <folder>; --binary or --library: only that one.
 */

const ROOT = join(import.meta.dir, "../..");
const CACHE = join(ROOT, "node_modules/.cache/kilde");

type Addon = keyof typeof addonVersions;

interface Target {
  /** Bun's name of the target. */
  readonly bun: Bun.Build.CompileTarget;
  /** The package with libSQL for the target. */
  readonly addon: Addon;
}

const TARGETS: readonly Target[] = [
  { bun: "bun-linux-x64", addon: "@libsql/linux-x64-gnu" },
  { bun: "bun-linux-x64-musl", addon: "@libsql/linux-x64-musl" },
  { bun: "bun-linux-arm64", addon: "@libsql/linux-arm64-gnu" },
  { bun: "bun-darwin-arm64", addon: "@libsql/darwin-arm64" },
  // Embedding the addon breaks the signature: sign the binary again on a Mac (`codesign --force --sign -`).
  { bun: "bun-darwin-x64", addon: "@libsql/darwin-x64" },
  { bun: "bun-windows-x64", addon: "@libsql/win32-x64-msvc" },
];

function isMusl(): boolean {
  const [musl, gnu] = ["/lib/ld-musl-x86_64.so.1", "/lib64/ld-linux-x86-64.so.2"];
  return process.platform === "linux" && existsSync(musl ?? "") && !existsSync(gnu ?? "");
}

function thisMachine(): Target {
  const system = process.platform === "win32" ? "windows" : process.platform;
  const name = `bun-${system}-${process.arch}${isMusl() ? "-musl" : ""}`;
  const target = TARGETS.find(({ bun }) => bun === name);
  if (target === undefined) throw new Error(`There is no binary for ${name}: libSQL has no addon for it.`);
  return target;
}

/** The addon's file: the installed one for this machine, one from npm for other targets. */
async function addonFile(addon: Addon): Promise<string> {
  const installed = join(ROOT, "node_modules", addon, "index.node");
  if (existsSync(installed)) return installed;
  const version = addonVersions[addon];
  const folder = join(CACHE, `${addon}-${version}`);
  const file = join(folder, "package/index.node");
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  await run(["npm", "pack", `${addon}@${version}`, "--silent"], folder);
  const [archive] = [...new Bun.Glob("*.tgz").scanSync(folder)];
  if (archive === undefined) throw new Error(`npm packed no ${addon}`);
  await run(["tar", "xzf", archive], folder);
  return file;
}

/**
 * `libsql` requires the addon by a name that it composes at run time, which bundlers cannot follow. This plugin names
 * the file instead, and fails when the source has changed its shape.
 */
function libsqlAddon(file: string): BunPlugin {
  const call = "= requireNative();";
  return {
    name: "libsql-addon",
    setup(build) {
      build.onLoad({ filter: /[\\/]node_modules[\\/]libsql[\\/](index|promise)\.js$/ }, async ({ path }) => {
        const source = await Bun.file(path).text();
        if (source.split(call).length !== 2 || !source.includes("function requireNative() {")) {
          throw new Error(`${path} loads its addon in another way than before: adapt build.ts to it.`);
        }
        return { contents: source.replace(call, `= require(${JSON.stringify(file)});`), loader: "js" };
      });
    },
  };
}

function shownPath(path: string): string {
  const path_ = relative(process.cwd(), path);
  return path_.startsWith("..") ? path : path_;
}

function report(path: string): void {
  const kibibytes = Math.ceil(Bun.file(path).size / 1024);
  console.log(`${shownPath(path)}  ${kibibytes.toLocaleString("en")} KiB`);
}

/** zod has its messages in fifty languages, and would load all of them. */
const oneLanguage: BunPlugin = {
  name: "one-language",
  setup(build) {
    build.onLoad({ filter: /[\\/]zod[\\/]v4[\\/]locales[\\/]index\.js$/ }, () => ({
      contents: 'export { default as en } from "./en.js";',
      loader: "js",
    }));
  },
};

/** Types are printed without formatting: Prettier is larger than the rest of the binary. */
const noPrettier: BunPlugin = {
  name: "no-prettier",
  setup(build) {
    build.onResolve({ filter: /^prettier$/ }, () => ({ path: "prettier", namespace: "left-out" }));
    build.onLoad({ filter: /^prettier$/, namespace: "left-out" }, () => ({ contents: "", loader: "js" }));
  },
};

async function buildBinary({ bun, addon }: Target, outfile: string, isHost: boolean): Promise<void> {
  await Bun.build({
    entrypoints: [
      join(ROOT, "src/main.ts"),
      join(ROOT, "src/storage/writer/writer-thread.ts"),
      join(ROOT, "src/runtime/threads/projector-thread.ts"),
      join(ROOT, "src/runtime/threads/dispatcher-thread.ts"),
      join(ROOT, "src/runtime/server/parsing-thread.ts"),
    ],
    target: "bun",
    format: "esm",
    // Without folders: a worker is found next to the program, by the name of its source.
    naming: "[name].[ext]",
    // Each command loads only the code that it needs.
    splitting: true,
    minify: true,
    bytecode: true,
    sourcemap: "none",
    compile: {
      outfile,
      // The binary reads settings only from the documented places.
      autoloadDotenv: false,
      autoloadBunfig: false,
      // Packages next to kilde.config.ts are found.
      autoloadPackageJson: true,
      ...(isHost ? {} : { target: bun }),
    },
    plugins: [
      libsqlAddon(await addonFile(addon)),
      oneLanguage,
      noPrettier,
      await embeddedGuide(join(CACHE, "guide")),
      await embeddedConsole(join(CACHE, "console")),
    ],
  });
  report(existsSync(outfile) ? outfile : `${outfile}.exe`);
}

/** Worker runtimes have these modules; for a browser target, the bundler would replace them. */
const runtimeModules: BunPlugin = {
  name: "runtime-modules",
  setup(build) {
    build.onResolve({ filter: /^node:(crypto|async_hooks)$/ }, ({ path }) => ({ path, external: true }));
  },
};

async function buildLibrary(outdir: string): Promise<void> {
  for (const { name, entry, target, external } of LIBRARY) {
    await Bun.build({
      entrypoints: [join(ROOT, entry)],
      outdir,
      naming: `${name}.[ext]`,
      target,
      format: "esm",
      sourcemap: "linked",
      plugins: [runtimeModules],
      // Part of the public interface; programs that use it have it installed.
      ...(external === "packages" ? { packages: "external" } : { external: ["zod", "drizzle-orm"] }),
    });
    report(join(outdir, `${name}.js`));
  }
  await writeConsoleAssets(join(outdir, "assets"));
  await emitTypes(join(outdir, "types"));
}

const { values } = parseArgs({
  options: {
    all: { type: "boolean", default: false },
    outdir: { type: "string", default: join(ROOT, "dist") },
    binary: { type: "boolean", default: false },
    library: { type: "boolean", default: false },
  },
});
const outdir = join(process.cwd(), relative(process.cwd(), values.outdir));
mkdirSync(outdir, { recursive: true });

if (!values.library) {
  await buildBinary(thisMachine(), join(outdir, "kilde"), true);
  for (const target of values.all ? TARGETS : []) {
    await buildBinary(target, join(outdir, target.bun.replace("bun-", "kilde-")), false);
  }
}
if (!values.binary) await buildLibrary(outdir);
