import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";

import type { BunPlugin } from "bun";

import { optionalDependencies as addonVersions } from "../../node_modules/libsql/package.json" with { type: "json" };
import type { PlatformId } from "../launcher/platforms.ts";
import { thisPlatform } from "../launcher/this-platform.ts";
import { report } from "./report.ts";
import { run } from "./run.ts";
import { SERVER_PROGRAMS, serverPlugins } from "./server-programs.ts";

const ROOT = join(import.meta.dir, "../..");
const CACHE = join(ROOT, "node_modules/.cache/kilde");

type Addon = keyof typeof addonVersions;

interface Target {
  readonly platform: PlatformId;
  /** Bun's name of the target. */
  readonly bun: Bun.Build.CompileTarget;
  /** The package with libSQL for the target. */
  readonly addon: Addon;
}

/**
 * The binaries, of which Bun compiles each on any machine. Bun 1.4.5 signs those for Apple silicon ad hoc, and leaves that for
 * Intel with the signature of Bun itself, which is invalid: a Mac has to sign it again (`codesign --force --sign -`).
 */
export const TARGETS: readonly Target[] = [
  { platform: "linux-x64", bun: "bun-linux-x64", addon: "@libsql/linux-x64-gnu" },
  { platform: "linux-x64-musl", bun: "bun-linux-x64-musl", addon: "@libsql/linux-x64-musl" },
  { platform: "linux-arm64", bun: "bun-linux-arm64", addon: "@libsql/linux-arm64-gnu" },
  { platform: "darwin-arm64", bun: "bun-darwin-arm64", addon: "@libsql/darwin-arm64" },
  { platform: "darwin-x64", bun: "bun-darwin-x64", addon: "@libsql/darwin-x64" },
  { platform: "win32-x64", bun: "bun-windows-x64", addon: "@libsql/win32-x64-msvc" },
];

/** The target of the machine that builds. */
export function thisMachine(): Target {
  const platform = thisPlatform();
  const target = TARGETS.find((each) => each.platform === platform?.id);
  if (target === undefined) {
    throw new Error(
      `There is no binary for ${process.platform}-${process.arch}: libSQL has no addon for it.`,
    );
  }
  return target;
}

/** The target of a platform, by the name that a user typed. */
export function targetOf(name: string): Target {
  const target = TARGETS.find(({ platform }) => platform === name);
  if (target !== undefined) return target;
  throw new Error(`There is no target ${name}, only ${TARGETS.map(({ platform }) => platform).join(", ")}.`);
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

/** Compiles the binary of a target. */
export async function buildBinary({ platform, bun, addon }: Target, outfile: string): Promise<void> {
  await Bun.build({
    entrypoints: SERVER_PROGRAMS.map((file) => join(ROOT, file)),
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
      ...(platform === thisPlatform()?.id ? {} : { target: bun }),
    },
    plugins: [libsqlAddon(await addonFile(addon)), ...(await serverPlugins(CACHE))],
  });
  report(existsSync(outfile) ? outfile : `${outfile}.exe`);
}
