import { Client } from "pg";

import type { Contender } from "../contender.ts";
import { npmFolder } from "../installed.ts";
import { startNodeProcess, type NodeProcess } from "../node/node-process.ts";
import { freePort, type Sandbox, type Server } from "../sandbox.ts";
import * as work from "../workload.ts";
import { startPostgres } from "./postgres.ts";

/** The project's dependencies exclude those of Pongo, which Emmett needs on PostgreSQL. */
const VERSION = "0.42.0";
const PACKAGES = [
  `@event-driven-io/emmett@${VERSION}`,
  `@event-driven-io/emmett-postgresql@${VERSION}`,
  "@event-driven-io/pongo@0.16.11",
];

/** As many as calls in flight; with the default of `pg`, 10, it appends a tenth less. */
const CONNECTIONS = 64;

/** Emmett's event store in Node, on a PostgreSQL of its own. */
export interface EmmettStore {
  readonly contender: Contender;
  readonly node: NodeProcess;
  /** Writes the history that is read. */
  fill(): Promise<void>;
  stored(): Promise<number>;
}

async function startOn(
  sandbox: Sandbox,
  program: string,
  label: string,
  postgres: { readonly server: Server; readonly version: string; readonly port: number },
  projected: boolean,
): Promise<EmmettStore> {
  const folder = npmFolder(`emmett-${VERSION}`, PACKAGES);
  const url = `postgres://postgres@127.0.0.1:${postgres.port}/postgres`;
  const mode = projected ? ["projected"] : [];
  const args = [folder, url, String(CONNECTIONS), ...mode];
  const node = await startNodeProcess(sandbox, program, "emmett-load.ts", sandbox.folder("emmett"), args);
  const database = new Client({ connectionString: url });
  // Without a listener, a server that ends would end this process too.
  database.on("error", () => {});
  await database.connect();
  return {
    node,
    contender: {
      name: "Emmett",
      version: `${VERSION} on ${postgres.version}`,
      settings: `${label}, ${CONNECTIONS} connections`,
      pid: postgres.server.pid,
      async close() {
        await database.end();
        await node.server.stop();
        await postgres.server.stop();
      },
    },
    fill: () => node.repeat("fill", work.HISTORY_STREAMS),
    async stored() {
      const { rows } = await database.query("select count(*) as count from emt_messages");
      return Number((rows[0] as { readonly count: string }).count);
    },
  };
}

/** `projected`: each append also updates a document of its stream, in the same transaction. */
export async function startEmmett(
  sandbox: Sandbox,
  { program, label }: { readonly program: string; readonly label: string },
  { projected = false }: { readonly projected?: boolean } = {},
): Promise<EmmettStore> {
  const port = freePort();
  const postgres = await startPostgres(sandbox, port);
  try {
    return await startOn(sandbox, program, label, { ...postgres, port }, projected);
  } catch (error) {
    await postgres.server.stop();
    throw error;
  }
}
