import { chownSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";

import { Client } from "pg";

import { executable, NotInstalled, versionOf } from "../contender.ts";
import type { Sandbox, Server } from "../sandbox.ts";

/** Most calls in flight: each needs a connection. PostgreSQL's default is 100. */
export const MAX_CONNECTIONS = 300;

const DEBIAN_FOLDER = "/usr/lib/postgresql";

/** Debian keeps the server's programs out of the path. */
function programs(): string {
  const initdb = Bun.which("initdb");
  if (initdb !== null) return dirname(initdb);
  try {
    const newest = readdirSync(DEBIAN_FOLDER)
      .toSorted((a, b) => Number(a) - Number(b))
      .at(-1);
    if (newest !== undefined) return join(DEBIAN_FOLDER, newest, "bin");
  } catch {
    // No such folder: not installed.
  }
  throw new NotInstalled("postgres is not installed");
}

/** PostgreSQL refuses to run as root; its Debian package makes this account. */
function accountFor(folder: string): string | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string) => {
    const { stdout, exitCode } = Bun.spawnSync(["id", flag, "postgres"]);
    if (exitCode !== 0) throw new NotInstalled("there is no account postgres");
    return Number(stdout.toString());
  };
  chownSync(folder, id("-u"), id("-g"));
  return "postgres";
}

export function runToEnd(command: readonly string[], env: Record<string, string | undefined>): void {
  const { exitCode, stderr } = Bun.spawnSync([...command], { env: { ...process.env, ...env } });
  if (exitCode !== 0) throw new Error(`${command.join(" ")}: ${stderr.toString()}`);
}

/**
 * A new PostgreSQL server with an empty database; throws NotInstalled where there is none. Without `fsync` it waits for
 * no disk, and may lose its data when the machine stops.
 */
export async function startPostgres(
  sandbox: Sandbox,
  port: number,
  { fsync = true }: { readonly fsync?: boolean } = {},
): Promise<{ server: Server; version: string }> {
  const bin = programs();
  executable("psql");
  const folder = sandbox.folder("postgres");
  const user = accountFor(folder);
  const as = user === undefined ? [] : ["setpriv", `--reuid=${user}`, `--regid=${user}`, "--init-groups"];
  const data = join(folder, "data");
  runToEnd(
    [...as, join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
    {},
  );
  const settings = {
    listen_addresses: "127.0.0.1",
    port: String(port),
    unix_socket_directories: "",
    max_connections: String(MAX_CONNECTIONS),
    fsync: fsync ? "on" : "off",
  };
  const server = await sandbox.start({
    name: "postgres",
    command: [
      join(bin, "postgres"),
      "-D",
      data,
      ...Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
    ],
    user,
    ready: async () => {
      const probe = new Client({ host: "127.0.0.1", port, user: "postgres", database: "postgres" });
      await probe.connect();
      await probe.end();
    },
  });
  return { server, version: versionOf([join(bin, "postgres"), "--version"]) };
}
