import { afterAll, afterEach } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Sqld, startSqld } from "../support/sqld.ts";
import { TESTED_ON } from "../support/tested-on.ts";

/** The program as it runs from source. */
export const FROM_SOURCE = [process.execPath, join(import.meta.dir, "../../src/main.ts")] as const;

export interface Finished {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

interface RunOptions {
  readonly cwd: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly stdin?: string | Uint8Array<ArrayBuffer>;
  readonly program?: readonly string[];
}

const running = new Set<Bun.Subprocess>();
const folders: string[] = [];
/** Where the suites run on a libSQL server: the one of each folder, in place of a file in it. */
const libsqlServers = new Map<string, Promise<Sqld>>();

/**
 * Ends the processes that the tests of a file start, and removes their folders. Each file calls it, because hooks
 * belong to a file.
 */
export function cleanUp(): void {
  afterEach(async () => {
    for (const child of running) child.kill("SIGKILL");
    await Promise.all([...running].map((child) => child.exited));
    running.clear();
    const servers = await Promise.all(libsqlServers.values());
    libsqlServers.clear();
    await Promise.all(servers.map((server) => server.stop()));
  });
  afterAll(() => {
    for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
  });
}

/** An empty folder, for one test. */
export function emptyFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "kilde-test-"));
  folders.push(folder);
  return folder;
}

function start(args: readonly string[], { cwd, environment = {}, stdin, program = FROM_SOURCE }: RunOptions) {
  const { PATH = "", HOME = "" } = process.env;
  const child = Bun.spawn([...program, ...args], {
    cwd,
    // Nothing of the environment that the tests run in.
    env: { PATH, HOME, ...environment },
    stdin: stdin === undefined ? "ignore" : new Blob([stdin]),
    stdout: "pipe",
    stderr: "pipe",
  });
  running.add(child);
  return child;
}

/** Starts the program, and leaves it running. */
export function launch(args: readonly string[], options: RunOptions) {
  return start(args, options);
}

/** Runs the program to its end. */
export async function run(args: readonly string[], options: RunOptions): Promise<Finished> {
  const child = start(args, options);
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  running.delete(child);
  return { exitCode, stdout, stderr };
}

export interface Served {
  readonly url: string;
  readonly pid: number;
  readonly cwd: string;
  /** Runs a verb against this server. */
  kilde(args: readonly string[], options?: Partial<RunOptions>): Promise<Finished>;
  /** Sends a signal, and returns the exit code and the log since the start. */
  stop(signal?: NodeJS.Signals): Promise<Finished>;
}

/** Settings that name the database of a folder, where it is not the file that is there by default. */
export async function databaseOf(cwd: string): Promise<Readonly<Record<string, string>>> {
  if (TESTED_ON !== "sqld") return {};
  const starting = libsqlServers.get(cwd) ?? startSqld();
  libsqlServers.set(cwd, starting);
  return { KILDE_DATABASE_URL: (await starting).url };
}

/** Starts a server on a free port, with its database in `cwd`. */
export async function serve(
  cwd: string,
  args: readonly string[] = [],
  options: Partial<RunOptions> = {},
): Promise<Served> {
  const database = await databaseOf(cwd);
  const environment = { ...database, ...options.environment };
  const child = start(["serve", "--port", "0", ...args], { ...options, cwd, environment });
  const stderr = new Response(child.stderr).text();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let stdout = "";
  const readOn = async (): Promise<boolean> => {
    const { done, value } = await reader.read();
    stdout += value ?? "";
    return !done;
  };
  const listening = () => /"url":"([^"]+)".*"msg":"listening"/.exec(stdout)?.[1];
  while (listening() === undefined && (await readOn())) {
    // The server logs its address in one of the first lines.
  }
  const url = listening();
  if (url === undefined) throw new Error(`the server did not start: ${await stderr}`);
  const ended = (async () => {
    while (await readOn()) {
      // So that the server never waits for its reader.
    }
  })();
  return {
    url,
    pid: child.pid,
    cwd,
    kilde: (verb, more = {}) =>
      run(verb, {
        cwd,
        ...options,
        ...more,
        environment: { ...database, KILDE_URL: url, ...more.environment },
      }),
    async stop(signal = "SIGTERM") {
      child.kill(signal);
      const exitCode = await child.exited;
      await ended;
      running.delete(child);
      return { exitCode, stdout, stderr: await stderr };
    },
  };
}

/** The JSON values of the lines of a text. */
export function jsonLines<Value = Record<string, unknown>>(text: string): Value[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Value);
}
