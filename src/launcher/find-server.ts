import { accessSync, constants, existsSync } from "node:fs";
import { createRequire } from "node:module";
import { delimiter, dirname, join } from "node:path";

import { binaryName, platformPackage, SERVER_PACKAGE } from "./platforms.ts";
import { thisPlatform } from "./this-platform.ts";

/** A program that accepts the arguments of `kilde`, and the arguments that precede them. */
export interface Program {
  readonly file: string;
  readonly args: readonly string[];
}

/** The folder of a package that is installed beside this one, or in a folder above it. */
function packageFolder(name: string): string | null {
  try {
    return dirname(createRequire(import.meta.url).resolve(`${name}/package.json`));
  } catch {
    return null;
  }
}

function executable(file: string): string | null {
  try {
    accessSync(file, constants.X_OK);
    return file;
  } catch {
    return null;
  }
}

/** The binary of this platform, in its package within a folder of packages that was fetched before. */
export function fetchedBinary(folder: string): string | null {
  const platform = thisPlatform();
  if (platform === undefined) return null;
  return executable(join(folder, "node_modules", platformPackage(platform.id), binaryName(platform.os)));
}

function installedBinary(): string | null {
  const platform = thisPlatform();
  const folder = platform === undefined ? null : packageFolder(platformPackage(platform.id));
  return platform === undefined || folder === null ? null : executable(join(folder, binaryName(platform.os)));
}

function bunOnPath(path: string): string | null {
  const name = process.platform === "win32" ? "bun.exe" : "bun";
  for (const folder of path.split(delimiter)) {
    const found = folder === "" ? null : executable(join(folder, name));
    if (found !== null) return found;
  }
  return null;
}

/** The server's program for Bun, in `@kilde/server`. */
function bunProgram(path: string): Program | null {
  const folder = packageFolder(SERVER_PACKAGE);
  const main = folder === null ? null : join(folder, "server/main.js");
  const bun = bunOnPath(path);
  return main !== null && bun !== null && existsSync(main) ? { file: bun, args: [main] } : null;
}

/** The installed server: this platform's binary, or else `@kilde/server` in Bun. `path` lists folders of programs. */
export function findServer(path: string): Program | null {
  const binary = installedBinary();
  return binary === null ? bunProgram(path) : { file: binary, args: [] };
}
