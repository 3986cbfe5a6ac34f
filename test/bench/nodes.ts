import { createClient } from "@libsql/client";

import { examine } from "../../src/doctor/doctor.ts";
import { storageFailure } from "../../src/storage/failures.ts";
import { openDatabase } from "../../src/storage/open.ts";
import { hasSqld, type Sqld, SQLD_FLAGS, startSqld } from "../support/sqld.ts";
import type { Contender, Task } from "./contender.ts";
import { append } from "./kilde-server.ts";
import { openLoad } from "./load.ts";
import { type Entry, measure, type Plan } from "./measure.ts";
import { randomAppends } from "./requests.ts";
import type { Row } from "./results.ts";
import { closedLoop, type Sample } from "./sample.ts";
import { freePort, type Sandbox } from "./sandbox.ts";
import * as work from "./workload.ts";

/*
 * Appends of one event on a libSQL server: by servers that share it, and by a bare client that writes as large batches
 * as a server makes of the appends that wait. Each on a libSQL server of its own.
 */

interface Variant {
  readonly way: string;
  readonly nodes: number;
  /** Whether each stream is appended to at one node, as a proxy may see to; otherwise at any. */
  readonly divided: boolean;
}

const VARIANTS: readonly Variant[] = [
  { way: "1 node", nodes: 1, divided: false },
  { way: "2 nodes", nodes: 2, divided: false },
  { way: "4 nodes", nodes: 4, divided: false },
  { way: "2 nodes, each stream at one of them", nodes: 2, divided: true },
  { way: "4 nodes, each stream at one of them", nodes: 4, divided: true },
];

/** All nodes together; no more appends can wait for a commit. */
export const CONNECTIONS = 64;

/** Events of a batch of the bare client: all connections, and half of them, since some wait while a commit is under way. */
const BARE_BATCHES = [CONNECTIONS, CONNECTIONS / 2] as const;

const BUSY_PAUSE_MS = 10;

interface Target extends Entry {
  close(): Promise<void>;
}

/** The sum of several loads that ran at the same time. */
function together(samples: readonly Sample[]): Sample {
  const sum = (of: (sample: Sample) => number) => samples.reduce((total, sample) => total + of(sample), 0);
  const latenciesMs = Float64Array.from(samples.flatMap((sample) => [...sample.latenciesMs])).sort();
  return {
    operations: sum(({ operations }) => operations),
    events: sum(({ events }) => events),
    seconds: Math.max(...samples.map(({ seconds }) => seconds)),
    latenciesMs,
  };
}

async function startNode(sandbox: Sandbox, command: readonly string[], sqld: Sqld, name: string) {
  const port = freePort();
  const server = await sandbox.start({
    name,
    command: [...command, "serve", "--database-url", sqld.url, "--port", String(port)],
    env: { KILDE_ACCESS_LOG: "false" },
    ready: () => fetch(`http://127.0.0.1:${port}/health`),
  });
  return { port, server };
}

async function headAt(port: number): Promise<number> {
  const response = await fetch(`http://127.0.0.1:${port}/events?limit=1`);
  await response.arrayBuffer();
  return Number(response.headers.get("kilde-head"));
}

async function openNodes(
  sandbox: Sandbox,
  command: readonly string[],
  { way, nodes: count, divided }: Variant,
): Promise<Target> {
  const sqld = await startSqld(SQLD_FLAGS);
  const nodes = await Promise.all(
    Array.from({ length: count }, (_, number) =>
      startNode(sandbox, command, sqld, `node-${count}-${divided}-${number}`),
    ),
  );
  // The streams exist, as they do in a store that is in use.
  for (const { port } of nodes.slice(0, 1)) await append({ url: `http://127.0.0.1:${port}` }, work.STREAMS);
  const streamsAt = (node: number) =>
    work.ALL_STREAMS.filter((_, index) => !divided || index % count === node);
  const loads = await Promise.all(
    nodes.map(({ port }, node) =>
      openLoad({
        port,
        connections: CONNECTIONS / count,
        next: randomAppends(port, 1, streamsAt(node)),
        status: 201,
        eventsPerRequest: 1,
      }),
    ),
  );
  const task: Task = {
    way,
    run: async (durationMs) => together(await Promise.all(loads.map(({ run }) => run(durationMs)))),
    async stored() {
      const heads = await Promise.all(nodes.map(({ port }) => headAt(port)));
      const [head = Number.NaN] = heads;
      if (heads.some((each) => each !== head))
        throw new Error(`nodes differ in the head: ${heads.join(", ")}`);
      return head;
    },
  };
  const contender: Contender = {
    name: "Kilde",
    version: "",
    settings: `${command.join(" ")} serve, on sqld ${SQLD_FLAGS.join(" ")}`,
    pid: sqld.pid,
    besides: nodes.map(({ server }) => server.pid),
    close: async () => {},
  };
  return {
    contender,
    task,
    async close() {
      for (const { close } of loads) close();
      await Promise.all(nodes.map(({ server }) => server.stop()));
      const database = openDatabase({ url: sqld.url });
      const findings = await examine(database);
      database.close();
      await sqld.stop();
      if (findings.length > 0) throw new Error(`the database is not sound: ${JSON.stringify(findings)}`);
    },
  };
}

const TABLE = `create table events (
  key integer primary key, subject integer not null, version integer not null, type text not null, time text,
  recorded text not null, data text, extensions text, unique (subject, version))`;
const HEAD_TABLE = "create table logs (id integer primary key, head integer not null)";

/** As Kilde does it: all events in one parameter, and the head, which is what it is known by that nobody else wrote. */
const INSERT = `insert into events (key, subject, version, type, recorded, data)
  select head + item.key + 1, item.value ->> 0, item.value ->> 1, item.value ->> 2, item.value ->> 3, item.value ->> 4
  from logs, json_each(?1) item`;
const RAISE_HEAD = "update logs set head = head + ?1 returning head";

/** sqld refuses writes while it checkpoints, with nothing written. Kilde tries again as well, after as long. */
async function unlessBusy<Result>(write: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await write();
    } catch (error) {
      if (storageFailure(error) !== "busy") throw error;
      await Bun.sleep(BUSY_PAUSE_MS);
    }
  }
}

async function openBare(batch: number): Promise<Target> {
  const sqld = await startSqld(SQLD_FLAGS);
  const client = createClient({ url: sqld.url });
  for (const sql of [TABLE, HEAD_TABLE, "insert into logs values (0, 0)"])
    await client.execute({ sql, args: [] });
  const versions = new Map<number, number>();
  const row = () => {
    const subject = work.randomBelow(work.STREAMS);
    const version = (versions.get(subject) ?? 0) + 1;
    versions.set(subject, version);
    const { type, data } = work.eventOf(version);
    return [subject, version, type, new Date().toISOString(), data];
  };
  const write = async (rows: readonly unknown[]) => {
    const statements = [
      { sql: INSERT, args: [JSON.stringify(rows)] },
      { sql: RAISE_HEAD, args: [rows.length] },
    ];
    await unlessBusy(() => client.batch(statements, "write"));
    return rows.length;
  };
  for (let subject = 0; subject < work.STREAMS; subject += work.PAGE) {
    await write(Array.from({ length: work.PAGE }, row));
  }
  const countSql = "select count(*), (select head from logs) from events";
  const task: Task = {
    way: `batches of ${batch} events, one in flight`,
    run: (durationMs) => closedLoop(1, durationMs, () => write(Array.from({ length: batch }, row))),
    async stored() {
      const [found] = (await client.execute({ sql: countSql, args: [] })).rows;
      const [count, head] = [Number(found?.[0]), Number(found?.[1])];
      if (count !== head) throw new Error(`the head is ${head} with ${count} events`);
      return count;
    },
  };
  const contender: Contender = {
    name: "bare client",
    version: "",
    settings: "@libsql/client over HTTP",
    pid: sqld.pid,
    close: async () => {},
  };
  return {
    contender,
    task,
    async close() {
      client.close();
      await sqld.stop();
    },
  };
}

/** Appends by one, two and four nodes, and a bare client; nothing where there is no libSQL server. */
export async function measureNodes(sandbox: Sandbox, command: readonly string[], plan: Plan): Promise<Row[]> {
  if (!hasSqld) return [];
  const targets: Target[] = [];
  try {
    for (const variant of VARIANTS) targets.push(await openNodes(sandbox, command, variant));
    for (const batch of BARE_BATCHES) targets.push(await openBare(batch));
    return await measure(targets, plan);
  } finally {
    for (const { close } of targets) await close();
  }
}
