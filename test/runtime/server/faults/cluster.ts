import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Database, textAt } from "../../../../src/storage/database.ts";
import { openDatabase } from "../../../../src/storage/open.ts";
import { FROM_SOURCE, serve } from "../../../cli/support.ts";
import { eventually } from "../../../support/eventually.ts";
import { jsonPost, TEST_SECRET_KEY } from "../../../support/app.ts";
import { type Sqld, SQLD_FLAGS, startReplica, startSqld } from "../../../support/sqld.ts";
import { startTcpProxy, type TcpProxy } from "../../../support/tcp-proxy.ts";
import { CONFIG } from "../../../feeds/project/killed-projections.ts";
import { type Receiver, startReceiver } from "./receiver.ts";

const SHIFTED_CLOCK = join(import.meta.dir, "shifted-clock.ts");

/** The delivered logs, and the receiver's path for each. */
export const DELIVERED = [
  { source: "/events", path: "/hooks/events" },
  { source: "/feeds/sums/v1", path: "/hooks/sums" },
] as const;

/** Id of the event that is there before anything else happens. */
export const FIRST = "before-all";

/** One for each feed, and one for each delivered log. */
const LEASES = 2 + DELIVERED.length;

/** A server process, with a network of its own to the database. */
export interface Node {
  readonly url: string;
  readonly pid: number;
  readonly network: TcpProxy;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  signal(signal: NodeJS.Signals): void;
}

export interface NodeOptions {
  /** How far its clock is ahead. */
  readonly clockAheadMs?: number;
  /** Text of its configuration. Default: two feeds, `sums` and `copies`. */
  readonly config?: string;
  /** The replica that serves its reads. */
  readonly replica?: Replica;
}

/** A replica of the libSQL server, with a network of its own to that. */
export interface Replica {
  readonly sqld: Sqld;
  readonly network: TcpProxy;
}

export interface Lease {
  readonly name: string;
  readonly holder: string;
}

/** Several processes on one libSQL server, and a receiver that is delivered to. */
export interface Cluster {
  readonly sqld: Sqld;
  readonly nodes: readonly Node[];
  readonly receiver: Receiver;
  start(options?: NodeOptions): Promise<Node>;
  startReplica(): Promise<Replica>;
  /** Returns the current holders of leases, from the database. */
  leases(): Promise<readonly Lease[]>;
  /** Has everything delivered. */
  subscribe(node: Node): Promise<void>;
  close(): Promise<void>;
}

const HELD = `select name, holder from leases where expires > cast(unixepoch('subsec') * 1000 as integer) order by name`;

/** Starts a libSQL server and some nodes. The first one has all leases when the others start. */
export async function openCluster(size: number, optionsOf: (number: number) => NodeOptions = () => ({})) {
  const sqld = await startSqld(SQLD_FLAGS);
  const receiver = startReceiver();
  const database: Database = openDatabase({ url: sqld.url });
  const nodes: Node[] = [];
  const ends: (() => Promise<unknown>)[] = [];

  const cluster: Cluster = {
    sqld,
    nodes,
    receiver,
    async startReplica() {
      const network = await startTcpProxy(sqld.grpcUrl);
      const replica = await startReplica(network.url);
      ends.push(async () => {
        await replica.stop();
        await network.stop();
      });
      return { sqld: replica, network };
    },
    async start({ clockAheadMs = 0, config = CONFIG, replica } = {}) {
      const cwd = mkdtempSync(join(tmpdir(), "kilde-faults-"));
      writeFileSync(join(cwd, "kilde.config.ts"), config);
      const network = await startTcpProxy(sqld.url);
      const [bun, main] = FROM_SOURCE;
      const environment = {
        KILDE_DATABASE_URL: network.url,
        ...(replica === undefined ? {} : { KILDE_READ_URL: replica.sqld.url }),
        KILDE_SECRET_KEYS: TEST_SECRET_KEY,
        KILDE_EGRESS_ALLOW: "127.0.0.1",
        KILDE_SHUTDOWN_TIMEOUT_MS: "5000",
        CLOCK_AHEAD_MS: String(clockAheadMs),
      };
      const program = clockAheadMs === 0 ? FROM_SOURCE : [bun, "--preload", SHIFTED_CLOCK, main];
      const served = await serve(cwd, [], { environment, program });
      ends.push(async () => {
        await served.stop("SIGKILL");
        await network.stop();
        rmSync(cwd, { recursive: true, force: true });
      });
      const node: Node = {
        url: served.url,
        pid: served.pid,
        network,
        fetch: (path, init) => fetch(served.url + path, init),
        signal: (signal) => process.kill(served.pid, signal),
      };
      nodes.push(node);
      return node;
    },
    async leases() {
      const rows = await database.read({ sql: HELD, args: [] });
      return rows.map((row) => ({ name: textAt(row, 0), holder: textAt(row, 1) }));
    },
    async subscribe(node) {
      for (const { source, path } of DELIVERED) {
        const subscription = { source, url: receiver.url + path, start: "beginning", concurrency: 16 };
        const response = await node.fetch("/subscriptions", jsonPost(subscription));
        if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`);
      }
    },
    async close() {
      await Promise.all(ends.map((end) => end()));
      database.close();
      await receiver.stop();
      await sqld.stop();
    },
  };

  try {
    for (let number = 0; number < size; number += 1) {
      const node = await cluster.start(optionsOf(number));
      if (number > 0) continue;
      await cluster.subscribe(node);
      const events = [{ type: "Added", data: { id: FIRST, n: 1 } }];
      await node.fetch(`/streams/${FIRST}`, jsonPost({ events }));
      await eventually(async () => (await cluster.leases()).length >= LEASES);
    }
    return cluster;
  } catch (error) {
    await cluster.close();
    throw error;
  }
}
