import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";

import { fetchedBinary } from "./find-server.ts";
import { platformPackage } from "./platforms.ts";
import { thisPlatform } from "./this-platform.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** Where programs keep files that they can fetch again. */
function cacheFolder(environment: Environment): string {
  const { LOCALAPPDATA, XDG_CACHE_HOME } = environment;
  if (process.platform === "win32" && LOCALAPPDATA) return LOCALAPPDATA;
  if (process.platform === "darwin") return join(homedir(), "Library/Caches");
  return XDG_CACHE_HOME?.startsWith("/") === true ? XDG_CACHE_HOME : join(homedir(), ".cache");
}

/** Installs into a folder of its own: npm reads the registry from the user's settings, and verifies the content. */
function install(specification: string, folder: string): string | null {
  const quiet = [
    "--no-save",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--ignore-scripts",
    "--loglevel=error",
  ];
  const { status, error, stderr } = spawnSync(
    "npm",
    // The folder is the current one: a shell would split its path at spaces.
    ["install", "--prefix", ".", ...quiet, specification],
    {
      cwd: folder,
      encoding: "utf8",
      // npm is a script on Windows, which only a shell starts.
      shell: process.platform === "win32",
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  if (status === 0) return null;
  if (error !== undefined) return `npm does not start: ${error.message}`;
  const lines = stderr.split("\n").map((line) => line.replace(/^npm error /, "").trim());
  return lines.find((line) => line !== "" && !line.startsWith("code ")) ?? `npm exited with ${status}`;
}

/**
 * Fetches this platform's binary with npm into the user's cache, once for each version. Returns the binary, or the reason
 * why there is none.
 */
export function fetchServer(
  version: string,
  environment: Environment,
  announce: (text: string) => void,
): { readonly binary: string } | { readonly reason: string } {
  const platform = thisPlatform();
  if (platform === undefined) return { reason: "there is no binary for this platform" };
  const target = join(cacheFolder(environment), "kilde", version);
  const cached = fetchedBinary(target);
  if (cached !== null) return { binary: cached };
  const specification = `${platformPackage(platform.id)}@${version}`;
  announce(`fetching ${specification} into ${target}, once`);
  let folder: string | null = null;
  try {
    mkdirSync(dirname(target), { recursive: true });
    folder = mkdtempSync(`${target}-`);
    const failure = install(specification, folder);
    if (failure !== null) return { reason: failure };
    if (fetchedBinary(folder) === null) return { reason: `${specification} contains no binary` };
    // A process that was faster has the same content.
    if (fetchedBinary(target) === null) {
      rmSync(target, { recursive: true, force: true });
      renameSync(folder, target);
    }
  } catch (error) {
    if (fetchedBinary(target) === null)
      return { reason: error instanceof Error ? error.message : String(error) };
  } finally {
    if (folder !== null) rmSync(folder, { recursive: true, force: true });
  }
  const binary = fetchedBinary(target);
  return binary === null ? { reason: `${target} contains no binary` } : { binary };
}
