import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { sql } from "drizzle-orm";

import { type Consumer, feed } from "../../src/consumer/index.ts";
import type { Database } from "../../src/storage/database.ts";
import { eventually } from "../support/eventually.ts";
import { openApp, type TestApp } from "../support/app.ts";
import { counted, sketch } from "../support/feeds.ts";
import { newDatabase } from "../support/new-database.ts";
import { openProjection } from "../support/projection.ts";
import { type Effects, libsqlEffects, memoryEffects, network, quickConsumer } from "./support.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["memory", "sqld"]);

/** A consumer of a re-keyed feed, some of whose events of a subject were erased. */

const subject = ({ data }: { readonly data: unknown }) => (data as { by: string }).by;
const copies = sketch({ name: "copies", subject });
const totals = sketch({ name: "totals", subject, project: counted });

let database: Database;
let app: TestApp;
let consumer: Consumer;
beforeEach(async () => {
  database = await newDatabase();
  app = await openApp({ database, feeds: [copies, totals] });
});
afterEach(async () => {
  await consumer.stop();
  await app.close();
});

async function project(): Promise<void> {
  await (await openProjection({ database, writer: app.store.writer }, [copies, totals])).drain();
}

async function append(stream: string, n: number): Promise<void> {
  await app.append(stream, { type: "A", data: { by: "ida", n } });
  await project();
}

const kinds = { memory: () => memoryEffects(), libsql: () => libsqlEffects() };

for (const [kind, open] of Object.entries(kinds)) {
  describe(kind, () => {
    let effects: Effects<unknown>;
    beforeEach(async () => {
      effects = open();
      await effects.read();
    });
    afterEach(async () => {
      await consumer.stop();
      await effects.dispose();
    });

    /** Records the handled events, and forgets a subject when its tombstone arrives. */
    const start = (name: string) => {
      const net = network(() => app);
      consumer = quickConsumer<Record<string, unknown>, unknown>({
        feed: feed(`${name}/v1` as "copies/v1"),
        name: "cards",
        store: effects.store,
        handle: (event, tx) =>
          effects.record(
            tx,
            event.subject,
            event.erased ? "forget" : `${event.version} ${JSON.stringify(event.data)}`,
          ),
        client: { fetch: net.fetch },
      });
      consumer.start();
    };

    /** The remaining handled events. */
    const kept = async () => {
      const all = (await effects.read())["ida"] ?? [];
      return all.slice(all.lastIndexOf("forget") + 1);
    };

    for (const [name, left] of [
      ["copies", [`2 {"by":"ida","n":1}`, `4 {"by":"ida","n":3}`, `6 {"by":"ida","n":4}`]],
      [
        "totals",
        [
          `6 {"count":1,"data":{"by":"ida","n":1}}`,
          `7 {"count":2,"data":{"by":"ida","n":3}}`,
          `8 {"count":3,"data":{"by":"ida","n":4}}`,
        ],
      ],
    ] as const) {
      test(`forgets the subject, and handles the remaining events again, of ${name}`, async () => {
        for (const [n, stream] of ["a", "b", "a", "b"].entries()) await append(stream, n);
        start(name);
        await eventually(async () => (await kept()).length === 4);
        await app.fetch("/streams/a?reason=asked", { method: "DELETE" });
        await project();
        await append("b", 4);
        await eventually(async () => JSON.stringify(await kept()) === JSON.stringify(left));
        await append("c", 5);
        await eventually(async () => (await kept()).length === 4);
        const all = (await effects.read())["ida"] ?? [];
        expect(all.filter((entry) => entry === "forget")).toHaveLength(1);
        expect(consumer.status().blocked).toEqual([]);

        await app.fetch("/streams/b?reason=asked", { method: "DELETE" });
        await project();
        await eventually(async () => (await kept()).length === 1);
      });
    }

    test("a consumer that starts afterwards handles only the remaining events", async () => {
      for (const [n, stream] of ["a", "b", "a"].entries()) await append(stream, n);
      await app.fetch("/streams/a?reason=asked", { method: "DELETE" });
      await project();
      start("copies");
      await eventually(async () => JSON.stringify(await kept()) === JSON.stringify([`2 {"by":"ida","n":1}`]));
    });
  });
}

test("a table of an older version gets the column that it lacks", async () => {
  const effects = libsqlEffects();
  await effects.database.run(sql`create table kilde_subjects (
    consumer text not null, subject text not null, version integer not null, known integer not null,
    position integer not null, source integer not null, status text not null, failure text,
    primary key (consumer, subject)) without rowid`);
  await effects.database.run(
    sql`insert into kilde_subjects values ('key', 's', 3, 3, 3, 3, 'following', null)`,
  );
  await effects.store.prepare();
  await effects.store.prepare();
  const [cursor] = await effects.store.readSubjects("key", ["s"]);
  expect(cursor).toMatchObject({ version: 3, revised: 0 });
  await effects.dispose();
  consumer = quickConsumer({
    feed: feed("copies/v1"),
    name: "x",
    store: effects.store,
    handle: async () => {},
  });
});
