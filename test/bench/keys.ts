import { join } from "node:path";

import type { Contender, Task } from "./contender.ts";
import { openLoad } from "./load.ts";
import { measure, medianRow, type Plan } from "./measure.ts";
import { randomAppends } from "./requests.ts";
import { NOT_TAKEN, type Round, type Row } from "./results.ts";
import { freePort, type Sandbox } from "./sandbox.ts";
import * as ways from "./ways.ts";
import * as work from "./workload.ts";

/* The cost of access control: appends to a store with keys, by a key that may do just that, and to an open store. */

const CONNECTIONS = 64;

/** Covers the streams of the workload. */
const GRANT = "append:/streams/declaration-*";

interface KeyCosts {
  readonly throughput: readonly Row[];
  /** Microseconds of the server's CPU for one append. */
  readonly cpu: readonly Row[];
}

/** Returns the token of a new key on a new database. */
function createKey(command: readonly string[], database: string): string {
  const made = Bun.spawnSync(
    [...command, "keys", "create", "bench", "--may", GRANT, "--database-url", database],
    {
      stderr: "pipe",
    },
  );
  if (made.exitCode !== 0) throw new Error(made.stderr.toString());
  return made.stdout.toString().trim();
}

interface Store {
  readonly contender: Contender;
  readonly task: Task;
}

async function openStore(
  sandbox: Sandbox,
  command: readonly string[],
  name: string,
  hasKey: boolean,
): Promise<Store> {
  const database = `file:${join(sandbox.folder("keys"), "kilde.db")}`;
  const headers = hasKey ? [`Authorization: Bearer ${createKey(command, database)}`] : [];
  const port = freePort();
  const server = await sandbox.start({
    name: "kilde-keys",
    command: [...command, "serve", "--database-url", database, "--port", String(port)],
    env: { KILDE_ACCESS_LOG: "false" },
    ready: () => fetch(`http://127.0.0.1:${port}/health`),
  });
  const next = randomAppends(port, 1, work.ALL_STREAMS, headers);
  const load = await openLoad({ port, connections: CONNECTIONS, next, status: 201, eventsPerRequest: 1 });
  return {
    contender: { name, version: "", settings: "", pid: server.pid, close: () => server.stop() },
    task: { run: load.run, close: load.close },
  };
}

function cpuOf({ value, serverCores }: Round): Round {
  return { ...NOT_TAKEN, value: serverCores === null ? Number.NaN : (serverCores * 1e6) / value };
}

/** Appends of one event with a key, and without one to a store that has none. */
export async function measureKeys(
  sandbox: Sandbox,
  command: readonly string[],
  plan: Plan,
): Promise<KeyCosts> {
  const stores = [
    await openStore(sandbox, command, "Kilde, with a key", true),
    await openStore(sandbox, command, ways.OPEN_STORE, false),
  ];
  const throughput = await measure(stores, plan);
  for (const { contender, task } of stores) {
    await task.close?.();
    await contender.close();
  }
  const ours = throughput[0]?.rounds.map(cpuOf) ?? [];
  const cpu = throughput.map(({ contender, way, settings, rounds }) =>
    medianRow({ contender, way, settings }, rounds.map(cpuOf), ours),
  );
  return { throughput, cpu };
}
