import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { examine, type Finding } from "../../../src/doctor/doctor.ts";
import { openDatabase } from "../../../src/storage/open.ts";
import { serve, type Served } from "../../cli/support.ts";
import type { Deployment } from "../../support/app.ts";
import { startSqld } from "../../support/sqld.ts";
import type { Cluster } from "../../support/store.ts";

/** Starts a server process on a database. */
export function startServer(databaseUrl: string): Promise<Served> {
  const environment = { KILDE_DATABASE_URL: databaseUrl, KILDE_ACCESS_LOG: "false" };
  return serve(tmpdir(), [], { environment });
}

export async function examineAt(url: string): Promise<Finding[]> {
  const database = openDatabase({ url });
  try {
    return await examine(database);
  } finally {
    database.close();
  }
}

/** A new database by its URL. */
export async function newDatabase(kind: Deployment["name"]): Promise<{ url: string; stop(): Promise<void> }> {
  if (kind === "sqld") return startSqld();
  const folder = mkdtempSync(join(tmpdir(), "kilde-slow-"));
  return {
    url: `file:${join(folder, "kilde.db")}`,
    stop: async () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Server processes, started together on a new database. */
export async function openServers(kind: Deployment["name"], count: number): Promise<Cluster> {
  const { url, stop } = await newDatabase(kind);
  const servers = await Promise.all(Array.from({ length: count }, () => startServer(url)));
  return {
    nodes: servers.map((server) => ({ fetch: (path, init) => fetch(server.url + path, init) })),
    examine: () => examineAt(url),
    async close() {
      for (const server of servers) await server.stop();
      await stop();
    },
  };
}
