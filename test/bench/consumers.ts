import { join } from "node:path";

import { createClient as openLibsql } from "@libsql/client";
import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/libsql";

import { createClient } from "../../src/client/index.ts";
import { createConsumer, eventLog, feed, libsqlStore } from "../../src/consumer/index.ts";
import type { BenchmarkOptions } from "./course.ts";
import { configOf } from "./feed-configs.ts";
import { append, type KildeServer, startServer } from "./kilde-server.ts";
import { medianRow } from "./measure.ts";
import { latencyRound, type Round, type Row, roundOf } from "./results.ts";
import type { Sandbox } from "./sandbox.ts";
import * as work from "./workload.ts";

/* Consumers: how fast they handle, how soon one subject is there, and how long it takes to compare all. */

const EVENTS = 100_000;
const BATCH_ROWS = 500;
const ENSURED = 200;

/** Subjects of a reconstitution, and of one transaction that makes them. */
export const RECONSTITUTED = 200_000;
const CHUNK = 10_000;

function openEffects(sandbox: Sandbox) {
  const client = openLibsql({ url: `file:${join(sandbox.folder("consumer"), "consumer.db")}` });
  const database = drizzle(client);
  return { client, database, store: libsqlStore(database) };
}

async function makeTable({ database }: ReturnType<typeof openEffects>): Promise<void> {
  await database.run(sql`pragma journal_mode = wal`);
  await database.run(sql`create table effects (number integer primary key, subject text, data text)`);
}

const insert = (subject: string, data: unknown) =>
  sql`insert into effects (subject, data) values (${subject}, ${JSON.stringify(data)})`;

async function consumedRate(sandbox: Sandbox, { url }: KildeServer, name: string): Promise<number> {
  const effects = openEffects(sandbox);
  await makeTable(effects);
  const started = performance.now();
  const consumer = createConsumer({
    url,
    feed: eventLog(),
    name,
    store: effects.store,
    handle: async ({ subject, data }, tx) => {
      await tx.run(insert(subject, data));
    },
  });
  consumer.start();
  while ((consumer.status().position ?? 0) < EVENTS) await Bun.sleep(1);
  const rate = (EVENTS * 1_000) / (performance.now() - started);
  await consumer.stop();
  effects.client.close();
  return rate;
}

/** The same events read by the same client, and the same rows written, in transactions of the same size, without cursors. */
async function bareRate(sandbox: Sandbox, { url }: KildeServer): Promise<number> {
  const effects = openEffects(sandbox);
  await makeTable(effects);
  const kilde = createClient({ url });
  const started = performance.now();
  for await (const page of kilde.readPages()) {
    for (let start = 0; start < page.length; start += BATCH_ROWS) {
      const rows = page.slice(start, start + BATCH_ROWS);
      await effects.database.transaction(async (tx) => {
        for (const { subject, data } of rows) await tx.run(insert(subject, data));
      });
    }
  }
  const rate = (EVENTS * 1_000) / (performance.now() - started);
  effects.client.close();
  return rate;
}

/** Events of the log handled a second, beside a loop that only writes the same. */
export async function measureConsuming(
  sandbox: Sandbox,
  { command, rounds }: BenchmarkOptions,
): Promise<Row[]> {
  const kilde = await startServer(sandbox, command);
  await append(kilde, EVENTS);
  const [ours, bare]: [Round[], Round[]] = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    ours.push(roundOf(await consumedRate(sandbox, kilde, `consumer-${round}`)));
    bare.push(roundOf(await bareRate(sandbox, kilde)));
  }
  await kilde.server.stop();
  const settings = command.join(" ");
  return [
    medianRow({ contender: "Kilde", way: "consumer", settings }, ours, ours),
    medianRow({ contender: "bare loop", way: "read and insert", settings: "drizzle, libsql" }, bare, ours),
  ];
}

/** How long a request handler waits for a subject: one that was never heard of, and one that is there. */
export async function measureEnsure(sandbox: Sandbox, { command, rounds }: BenchmarkOptions): Promise<Row[]> {
  const kilde = await startServer(sandbox, command, { config: configOf(["stateful"]) });
  await append(kilde, work.STREAMS);
  const found: Record<"cold" | "warm", Round[]> = { cold: [], warm: [] };
  for (let round = 0; round < rounds; round += 1) {
    const effects = openEffects(sandbox);
    await makeTable(effects);
    const consumer = createConsumer({
      url: kilde.url,
      feed: feed("stateful/v1"),
      name: `consumer-${round}`,
      store: effects.store,
      handle: async ({ subject, data }, tx) => {
        await tx.run(insert(subject, data));
      },
    });
    for (const kind of ["cold", "warm"] as const) {
      const latencies: number[] = [];
      for (let n = 0; n < ENSURED; n += 1) {
        const started = performance.now();
        await consumer.ensure(work.streamName(n));
        latencies.push(performance.now() - started);
      }
      found[kind].push(latencyRound(latencies.toSorted((a, b) => a - b)));
    }
    effects.client.close();
  }
  await kilde.server.stop();
  const settings = command.join(" ");
  return [
    medianRow({ contender: "Kilde", way: "cold", settings }, found.cold, found.cold),
    medianRow({ contender: "Kilde", way: "warm", settings }, found.warm, found.cold),
  ];
}

/** Subjects compared a second, of a consumer that lacks nothing. */
export async function measureReconstitution(sandbox: Sandbox, { command }: BenchmarkOptions): Promise<Row[]> {
  const kilde = await startServer(sandbox, command);
  const { url } = kilde;
  const client = createClient({ url });
  const effects = openEffects(sandbox);
  await makeTable(effects);
  await effects.store.prepare();
  const name = (n: number) => `subject-${String(n).padStart(7, "0")}`;
  for (let start = 0; start < RECONSTITUTED; start += CHUNK) {
    const names = Array.from({ length: CHUNK }, (_, offset) => name(start + offset));
    await client.transact(names.map((stream) => ({ stream, events: [{ type: "A" }] })));
    const cursors = names.map((subject, offset) => {
      const position = start + offset + 1;
      const row = { version: 1, known: 1, status: "following", failure: null, identity: null } as const;
      return { subject, position, source: position, ...row };
    });
    await effects.store.transact((tx) => effects.store.saveSubjects(tx, "consumer events", cursors));
  }
  const consumer = createConsumer({
    url,
    feed: eventLog(),
    name: "consumer",
    store: effects.store,
    handle() {},
  });
  const found: Round[] = [];
  const started = performance.now();
  const { checked, healedSubjects } = await consumer.reconstitute({
    all: true,
    requestsPerSecond: 1_000_000,
  });
  if (checked !== RECONSTITUTED || healedSubjects > 0)
    throw new Error(`${checked} compared, ${healedSubjects} healed`);
  found.push(roundOf((RECONSTITUTED * 1_000) / (performance.now() - started)));
  effects.client.close();
  await kilde.server.stop();
  return [medianRow({ contender: "Kilde", way: "reconstitute", settings: command.join(" ") }, found, found)];
}
