import { afterAll, beforeAll, expect, test } from "bun:test";

import { sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/node-postgres";
import fc from "fast-check";
import { Pool } from "pg";

import { eventLog, postgresStore } from "../../src/consumer/index.ts";
import { NotInstalled } from "../bench/contender.ts";
import { startPostgres } from "../bench/peers/postgres.ts";
import { freePort, openSandbox, type Sandbox } from "../bench/sandbox.ts";
import { eventually } from "../support/eventually.ts";
import { openApp } from "../support/app.ts";
import { actions, simulate } from "./simulation.ts";
import { network, quickConsumer } from "./support.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["memory", "sqld"]);

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 15);

/** The server, or null where it is not installed. */
async function open(): Promise<{ sandbox: Sandbox; pool: Pool } | null> {
  const sandbox = openSandbox();
  const port = freePort();
  try {
    // A busy disk would take most of the time of the tests.
    await startPostgres(sandbox, port, { fsync: false });
    const pool = new Pool({ host: "127.0.0.1", port, user: "postgres", database: "postgres", max: 20 });
    // The server goes away while connections are idle; without a listener that would fail the run.
    pool.on("error", () => {});
    return { sandbox, pool };
  } catch (error) {
    await sandbox.close();
    if (error instanceof NotInstalled) return null;
    throw error;
  }
}

let postgres: Awaited<ReturnType<typeof open>> = null;
beforeAll(async () => {
  postgres = await open();
  if (postgres === null) console.warn("PostgreSQL is not installed: its store is not tested");
}, 180_000);
afterAll(async () => {
  await postgres?.pool.end();
  await postgres?.sandbox.close();
});

/** Effects in empty tables. */
async function emptyEffects(pool: Pool) {
  const database = drizzle(pool);
  await database.execute(sql`drop table if exists kilde_feeds, kilde_subjects, effects`);
  await database.execute(sql`create table effects (number bigserial primary key, subject text, entry text)`);
  const store = postgresStore(database);
  return {
    store,
    async record(tx: Parameters<Parameters<typeof store.transact>[0]>[0], subject: string, entry: string) {
      await tx.execute(sql`insert into effects (subject, entry) values (${subject}, ${entry})`);
    },
    async read() {
      const { rows } = await database.execute<{ subject: string; entry: string }>(
        sql`select subject, entry from effects order by number`,
      );
      const found: Record<string, string[]> = {};
      for (const { subject, entry } of rows) (found[subject] ??= []).push(entry);
      return found;
    },
    dispose: async () => {},
  };
}

test("through all faults, each event is handled once, and reconstitution finds the lost ones", async () => {
  if (postgres === null) return;
  const { pool } = postgres;
  await fc.assert(
    fc.asyncProperty(actions, fc.infiniteStream(fc.nat(11)), async (work, chance) => {
      await simulate(await emptyEffects(pool), work, () => chance.next().value ?? 0);
    }),
    { numRuns: RUNS },
  );
}, 300_000);

test("processes that handle the same new subjects at the same moment handle each event once", async () => {
  if (postgres === null) return;
  const effects = await emptyEffects(postgres.pool);
  const app = await openApp();
  const net = network(() => app);
  for (let index = 0; index < 200; index += 1) {
    await app.append(`s-${index % 31}`, { type: "A" }, { type: index % 7 === 0 ? "Bad" : "B" });
  }
  let broken = true;
  const consumers = Array.from({ length: 3 }, () =>
    quickConsumer({
      feed: eventLog(),
      name: "cards",
      store: effects.store,
      batchEvents: 40,
      async handle(event, tx) {
        await effects.record(tx, event.subject, `${event.version}`);
        // The database rejects all further statements of the transaction.
        if (broken && event.type === "Bad") await tx.execute(sql`select 1 / 0`);
      },
      client: { fetch: net.fetch },
    }),
  );
  for (const consumer of consumers) consumer.start();
  await Promise.all(consumers.map((consumer, index) => consumer.ensure(`s-${index + 7}`).catch(() => null)));
  const patient = { withinMs: 100_000 };
  await eventually(() => consumers.every((consumer) => consumer.status().position === 400), patient);
  expect(consumers[0]?.status().blocked.length).toBeGreaterThan(0);
  broken = false;
  await eventually(() => consumers.every((consumer) => consumer.status().blocked.length === 0), patient);
  const read = await effects.read();
  expect(Object.keys(read)).toHaveLength(31);
  for (const entries of Object.values(read))
    expect(entries).toEqual(entries.map((_, index) => `${index + 1}`));
  expect(Object.values(read).flat()).toHaveLength(400);
  for (const consumer of consumers) await consumer.stop();
  await app.close();
}, 240_000);

test("transactions that lock each other's subjects both succeed, and their work is done once", async () => {
  if (postgres === null) return;
  const effects = await emptyEffects(postgres.pool);
  const { store } = effects;
  await store.prepare();
  const attempts = [0, 0];
  const bothHold = Promise.withResolvers<void>();
  let holding = 0;
  const cross = (index: 0 | 1, first: string, second: string) =>
    store.transact(async (tx) => {
      attempts[index] = (attempts[index] ?? 0) + 1;
      await store.lock(tx, "cards", [first]);
      holding += 1;
      if (holding === 2) bothHold.resolve();
      await bothHold.promise;
      await store.lock(tx, "cards", [second]);
      await effects.record(tx, first, "locked");
    });
  await Promise.all([cross(0, "a", "b"), cross(1, "b", "a")]);
  expect(attempts.toSorted((a, b) => a - b)).toEqual([1, 2]);
  expect(await effects.read()).toEqual({ a: ["locked"], b: ["locked"] });
});

test("a handler that waits for another consumer on the same store is refused, and takes no connection", async () => {
  if (postgres === null) return;
  const effects = await emptyEffects(postgres.pool);
  const app = await openApp();
  const shared = { feed: eventLog(), store: effects.store, client: { fetch: network(() => app).fetch } };
  const users = quickConsumer({ ...shared, name: "users", handle: () => {} });
  const cards = quickConsumer({
    ...shared,
    name: "cards",
    handle: async ({ subject }) => void (await users.ensure(subject)),
    onError: () => {},
  });
  for (let subject = 1; subject <= 8; subject += 1) await app.append(`s-${subject}`, { type: "A" });
  cards.start();
  await eventually(() => cards.status().blocked.length === 8);
  expect(cards.status().blocked[0]?.failure?.message).toContain("Do it outside of handlers");
  await cards.stop();
  await app.close();
});
