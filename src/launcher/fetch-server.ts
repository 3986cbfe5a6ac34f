import { spawn } from "node:child_process";
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

/** Signals by which a user, or a supervisor, ends a process that fetches. */
const ENDING: readonly NodeJS.Signals[] = ["SIGINT", "SIGTERM", "SIGHUP"];

/** Installs into a folder of its own: npm reads the registry from the user's settings, and verifies the content. */
function install(specification: string, folder: string, ended: AbortSignal): Promise<string | null> {
  const quiet = [
    "--no-save",
    "--no-audit",
    "--no-fund",
    "--no-update-notifier",
    "--ignore-scripts",
    "--loglevel=error",
  ];
  const child = spawn(
    "npm",
    // The folder is the current one: a shell would split its path at spaces.
    ["install", "--prefix", ".", ...quiet, specification],
    {
      cwd: folder,
      // npm is a script on Windows, which only a shell starts.
      shell: process.platform === "win32",
      stdio: ["ignore", "ignore", "pipe"],
      signal: ended,
    },
  );
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return new Promise((resolve) => {
    let failure: string | null = null;
    child.on("error", (error) => {
      failure = `npm does not start: ${error.message}`;
    });
    // It comes after an error too, when npm can no longer write into the folder.
    child.on("close", (status) => {
      if (status === 0) return resolve(null);
      const lines = stderr.split("\n").map((line) => line.replace(/^npm error /, "").trim());
      const stated = lines.find((line) => line !== "" && !line.startsWith("code "));
      resolve(failure ?? stated ?? `npm exited with ${status}`);
    });
  });
}

type Fetched = { readonly binary: string } | { readonly reason: string };

/** Fetches the package into a folder beside the target, which takes its place when it is complete. */
async function fetchInto(target: string, specification: string, ended: AbortSignal): Promise<Fetched> {
  let folder: string | null = null;
  try {
    mkdirSync(dirname(target), { recursive: true });
    folder = mkdtempSync(`${target}-`);
    const failure = await install(specification, folder, ended);
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

/**
 * Fetches this platform's binary with npm into the user's cache, once for each version. Returns the binary, or the reason
 * why there is none, or the signal that ended the fetch; then nothing of it is left.
 */
export async function fetchServer(
  version: string,
  environment: Environment,
  announce: (text: string) => void,
): Promise<Fetched | { readonly signal: NodeJS.Signals }> {
  const platform = thisPlatform();
  if (platform === undefined) return { reason: "there is no binary for this platform" };
  const target = join(cacheFolder(environment), "kilde", version);
  const cached = fetchedBinary(target);
  if (cached !== null) return { binary: cached };
  const specification = `${platformPackage(platform.id)}@${version}`;
  announce(`fetching ${specification} into ${target}, once`);
  const ending = new AbortController();
  let received: NodeJS.Signals | null = null;
  const end = (signal: NodeJS.Signals) => {
    received = signal;
    ending.abort();
  };
  for (const signal of ENDING) process.on(signal, end);
  try {
    const fetched = await fetchInto(target, specification, ending.signal);
    return received === null ? fetched : { signal: received };
  } finally {
    for (const signal of ENDING) process.off(signal, end);
  }
}
