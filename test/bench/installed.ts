import { existsSync, mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

import { NotInstalled } from "./contender.ts";

/*
 * Programs and packages that only the benchmark needs, and that would weigh on everybody who works on the project.
 * They are installed once, into a cache folder outside of the repository.
 */

function cacheFolder(): string {
  const caches = process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return process.env["KILDE_BENCH_CACHE"] ?? join(caches, "kilde-bench");
}

/** Runs an installer; a failure, such as a registry that is out of reach, leaves the contender out. */
function installWith(command: readonly string[], cwd: string): void {
  console.log(`${command.join(" ")} (once, into ${cwd})`);
  const { exitCode, stderr } = Bun.spawnSync([...command], { cwd, stdout: "ignore", stderr: "pipe" });
  if (exitCode === 0) return;
  throw new NotInstalled(`${command.join(" ")} failed: ${stderr.toString().trim().slice(-300)}`);
}

/** The folder of a version of something, in which `file` exists; `install` makes it otherwise. */
function installedIn(name: string, file: string, install: (folder: string) => void): string {
  const folder = join(cacheFolder(), name);
  if (existsSync(join(folder, file))) return folder;
  mkdirSync(folder, { recursive: true });
  install(folder);
  if (!existsSync(join(folder, file))) throw new NotInstalled(`${join(folder, file)} was not installed`);
  return folder;
}

/** A folder in which these npm packages, `name@version` each, can be required. */
export function npmFolder(name: string, packages: readonly string[]): string {
  return installedIn(name, "package-lock.json", (folder) => {
    if (Bun.which("npm") === null) throw new NotInstalled("npm is not installed");
    const options = ["--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund"];
    installWith(["npm", "install", ...options, ...packages], folder);
  });
}

function majorOf(node: string): string {
  return Bun.spawnSync([node, "-p", "process.versions.node.split('.')[0]"]).stdout.toString().trim();
}

/** The program of a major version of Node: the installed one, or the one that npm has for this platform. */
export function nodeProgram(major: number): string {
  const installed = Bun.which("node");
  if (installed !== null && majorOf(installed) === String(major)) return installed;
  const platform = `node-${process.platform}-${process.arch}`;
  const folder = npmFolder(`node-${major}`, [`${platform}@${major}`]);
  return join(folder, "node_modules", platform, "bin/node");
}

/** A program that cargo builds, and the source of one of the crates it consists of. */
export function cargoFolder(crate: string, version: string): string {
  return installedIn(`${crate}-${version}`, `bin/${crate}`, (folder) => {
    for (const tool of ["cargo", "protoc"]) {
      if (Bun.which(tool) === null)
        throw new NotInstalled(`${tool}, which builds ${crate}, is not installed`);
    }
    installWith(["cargo", "install", "--locked", "--root", folder, `${crate}@${version}`], folder);
  });
}

/** A file of a crate that cargo has fetched to build a program. */
export async function crateFile(crate: string, version: string, path: string): Promise<string> {
  const home = process.env["CARGO_HOME"] ?? join(homedir(), ".cargo");
  const pattern = new Bun.Glob(`*/${crate}-${version}/${path}`);
  const sources = join(home, "registry/src");
  if (existsSync(sources))
    for await (const file of pattern.scan({ cwd: sources, absolute: true })) return file;
  throw new NotInstalled(`the source of ${crate} ${version} is not in ${sources}`);
}
