import { join } from "node:path";

import { migrate } from "../../src/log/migrate.ts";
import { openDatabase } from "../../src/storage/open.ts";
import type { Contender, Task } from "./contender.ts";
import { openLoad } from "./load.ts";
import { type Entry, measure, type Plan } from "./measure.ts";
import { appendBody, getRequest } from "./requests.ts";
import type { Row } from "./results.ts";
import { freePort, type Sandbox } from "./sandbox.ts";
import * as work from "./workload.ts";

/*
 * Whether earlier events make an append or a read slower. The stores are written as SQLite would have been left
 * by the appends, since ten million of them would take ten minutes.
 */

interface Size {
  readonly name: string;
  readonly streams: number;
  readonly versions: number;
}

const SIZES: readonly Size[] = [
  { name: "10,000 events", streams: 1_000, versions: 10 },
  { name: "10,000,000 events", streams: 1_000_000, versions: 10 },
];

const LONG_STREAM = "long";
const LONG_VERSIONS = 500_000;

/** Events of one statement. */
const CHUNK = 500_000;

const CONNECTIONS = 64;

/** How many events of a stream's end are read. */
const TAIL_EVENTS = 10;

async function fill(file: string, { streams, versions }: Size): Promise<void> {
  const database = openDatabase({ url: `file:${file}` });
  await migrate(database);
  const write = (sql: string, args: readonly (string | number)[] = []) => database.write([{ sql, args }]);
  const counted = (from: number, count: number) =>
    `with recursive n (i) as (select ${from} union all select i + 1 from n where i + 1 < ${from + count})`;
  const now = new Date().toISOString();
  const insert = (from: number, count: number, subject: string, version: string) =>
    write(
      `${counted(from, count)} insert into events (key, subject, version, type, recorded, data)
       select i + 1, ${subject}, ${version}, ?1, ?2, ?3 from n`,
      [work.TYPES[0], now, work.eventOf(0).data],
    );
  const total = streams * versions;
  await write(
    `${counted(0, streams)} insert into subjects (id, log, name) select i + 1, 0, 'declaration-' || i from n`,
  );
  await write("insert into subjects (id, log, name) values (?1, 0, ?2)", [streams + 1, LONG_STREAM]);
  for (let from = 0; from < total; from += CHUNK) {
    await insert(from, Math.min(CHUNK, total - from), `i % ${streams} + 1`, `i / ${streams} + 1`);
  }
  await insert(total, LONG_VERSIONS, String(streams + 1), `i - ${total} + 1`);
  await write("update logs set head = ?1, recorded = ?2 where id = 0", [total + LONG_VERSIONS, now]);
  await database.read({ sql: "pragma wal_checkpoint(truncate)", args: [] });
  database.close();
}

interface Store {
  readonly contender: Contender;
  readonly port: number;
  readonly size: Size;
}

async function open(sandbox: Sandbox, command: readonly string[], size: Size): Promise<Store> {
  const file = join(sandbox.folder("scale"), "kilde.db");
  await fill(file, size);
  const port = freePort();
  const server = await sandbox.start({
    name: "kilde-scale",
    command: [...command, "serve", "--database-url", `file:${file}`, "--port", String(port)],
    env: { KILDE_ACCESS_LOG: "false" },
    ready: () => fetch(`http://127.0.0.1:${port}/health`),
  });
  const settings = `${size.streams.toLocaleString("en")} streams, and one of ${LONG_VERSIONS.toLocaleString("en")} events`;
  return {
    contender: { name: size.name, version: "", settings, pid: server.pid, close: () => server.stop() },
    port,
    size,
  };
}

const ENCODER = new TextEncoder();

function appendRequest(port: number, stream: string, n: number): Uint8Array {
  const body = appendBody([work.eventOf(n)]);
  const lines = [
    `POST /streams/${stream} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    "Content-Type: application/json",
    `Content-Length: ${body.length}`,
  ];
  return ENCODER.encode(`${lines.join("\r\n")}\r\n\r\n${body}`);
}

async function appending({ port, size }: Store, connections: number): Promise<Task> {
  let n = 0;
  const next = () => appendRequest(port, work.streamName(work.randomBelow(size.streams)), n++);
  const load = await openLoad({ port, connections, next, status: 201, eventsPerRequest: 1 });
  return {
    way: `appends to random streams, ${connections} connection${connections === 1 ? "" : "s"}`,
    run: load.run,
    close: load.close,
  };
}

async function readingTail({ port }: Store, stream: string, way: string): Promise<Task> {
  const request = getRequest(port, `/streams/${stream}?direction=backwards&limit=${TAIL_EVENTS}`);
  const options = { port, connections: 1, status: 200, eventsPerRequest: TAIL_EVENTS };
  const load = await openLoad({ ...options, next: () => request });
  return { way, run: load.run, close: load.close };
}

async function compare(entries: readonly Entry[], plan: Plan): Promise<Row[]> {
  const rows = await measure(entries, plan);
  for (const { task } of entries) await task.close?.();
  return rows;
}

export interface ScaleRows {
  readonly appends: Row[];
  readonly oneByOne: Row[];
  readonly tails: Row[];
}

/** Appends to stores of two sizes, and the last events of a long stream beside those of a short one. */
export async function measureScale(
  sandbox: Sandbox,
  command: readonly string[],
  plan: Plan,
): Promise<ScaleRows> {
  const stores: Store[] = [];
  try {
    for (const size of SIZES) stores.push(await open(sandbox, command, size));
    const appends = async (connections: number): Promise<Row[]> => {
      const entries: Entry[] = [];
      for (const store of stores) {
        entries.push({ contender: store.contender, task: await appending(store, connections) });
      }
      return compare(entries, plan);
    };
    const [store] = stores;
    const tails: Entry[] = [];
    if (store !== undefined) {
      const { contender } = store;
      tails.push(
        { contender, task: await readingTail(store, work.streamName(7), "of a stream of 10 events") },
        { contender, task: await readingTail(store, LONG_STREAM, "of a stream of 500,000 events") },
      );
    }
    const read = await compare(tails, plan);
    return { appends: await appends(CONNECTIONS), oneByOne: await appends(1), tails: read };
  } finally {
    for (const { contender } of stores) await contender.close();
  }
}
