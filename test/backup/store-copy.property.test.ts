import { Database as Sqlite } from "bun:sqlite";
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import fc from "fast-check";

import { copyStore } from "../../src/backup/copy.ts";
import type { Database } from "../../src/storage/database.ts";
import { examine } from "../../src/doctor/doctor.ts";
import { openDatabase } from "../../src/storage/open.ts";
import { openReadOnly } from "../../src/storage/sealed-files.ts";
import { sweepStep } from "../../src/log/erase/truncate.ts";
import { jsonPost, openApp, type TestApp } from "../support/app.ts";

const RUNS = Number(process.env["PROPERTY_RUNS"] ?? 25);

const folder = mkdtempSync(join(tmpdir(), "kilde-copy-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Every row of every table, in a comparable form. */
function contentOf(file: string): Record<string, unknown[]> {
  const database = new Sqlite(file, { readonly: true });
  const tables = database.query("select name from sqlite_master where type = 'table' order by name").values();
  const content = tables.map(([name]) => [
    String(name),
    database.query(`select * from "${String(name)}" order by 1, 2`).values(),
  ]);
  database.close();
  return Object.fromEntries(content) as Record<string, unknown[]>;
}

interface Store {
  readonly app: TestApp;
  readonly database: Database;
  /** Head of the feed, whose events this test writes itself. */
  feedHead: number;
}

type Change = (store: Store) => Promise<unknown>;

const stream = fc.integer({ min: 0, max: 5 }).map((n) => `s-${n}`);

const write = (database: Database, ...statements: string[]) =>
  database.write(statements.map((sql) => ({ sql, args: [] })));

const FEED = 2;
const FEED_BASE = 2 * 2 ** 40;

/** Publishes an event of a new subject of the feed, with its state. */
async function publish(store: Store): Promise<void> {
  store.feedHead += 1;
  const position = store.feedHead;
  await write(
    store.database,
    `insert into subjects (log, name) values (${FEED}, 'f-${position}')`,
    `insert into events (key, subject, version, type, recorded, data)
      select ${FEED_BASE + position}, id, 1, 'F', '2026-01-31T12:00:00.000Z', '1' from subjects where log = ${FEED} and name = 'f-${position}'`,
    `insert into feed_origins (subject, position, source, source_version, version, events)
      select id, ${position}, 1, 1, 0, 1 from subjects where log = ${FEED} and name = 'f-${position}'`,
    `insert into feed_subjects (subject, state) select id, '${position}' from subjects where log = ${FEED} and name = 'f-${position}'`,
    `update logs set head = ${position}, recorded = '2026-01-31T12:00:00.000Z' where id = ${FEED}`,
  );
}

/** Clears the feed, which frees the ids of its subjects. */
async function clearFeed({ database }: Store): Promise<void> {
  await write(
    database,
    `delete from feed_subjects where subject in (select id from subjects where log = ${FEED})`,
    `delete from feed_origins where subject in (select id from subjects where log = ${FEED})`,
    `delete from events where key >= ${FEED_BASE}`,
    `delete from subjects where log = ${FEED}`,
    `update feeds set cleared = (select head from logs where id = ${FEED}) where log = ${FEED}`,
  );
}

const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(stream, fc.integer({ min: 1, max: 4 })).map(
    ([name, count]): Change =>
      ({ app }) =>
        // Rejected where the stream was erased.
        app.fetch(
          `/streams/${name}`,
          jsonPost({ events: Array.from({ length: count }, () => ({ type: "T", data: "x".repeat(200) })) }),
        ),
  ),
  fc.uuid().map(
    (key): Change =>
      ({ app }) =>
        app.fetch("/streams/k", {
          ...jsonPost({ events: [{ type: "T" }] }),
          headers: { "content-type": "application/json", "idempotency-key": key },
        }),
  ),
  stream.map(
    (name): Change =>
      ({ app }) =>
        app.fetch(`/streams/${name}?reason=asked`, { method: "DELETE" }),
  ),
  fc.tuple(stream, fc.integer({ min: 2, max: 4 })).map(
    ([name, before]): Change =>
      ({ app }) =>
        app.fetch(`/streams/${name}/events?before=${before}`, { method: "DELETE" }),
  ),
  fc.constant<Change>(publish),
  fc.constant<Change>(clearFeed),
  fc.constant<Change>(({ database }) =>
    write(
      database,
      `update feed_subjects set state = '"changed"' where subject % 2 = 0`,
      "update feed_origins set source_version = source_version + 1 where subject % 2 = 0",
    ),
  ),
  fc.constant<Change>(({ database }) =>
    write(
      database,
      `update events set data = null, type = 'erased' where key = (select min(key) from events where key >= ${FEED_BASE} and data is not null)`,
      `insert into erasure_generations (log, chunk, generation) values (${FEED}, 0, 1)
        on conflict do update set generation = generation + 1`,
    ),
  ),
  fc.constant<Change>(({ database }) =>
    write(database, "delete from idempotency where id = (select min(id) from idempotency)"),
  ),
);

/**
 * Whether no connection holds a snapshot, so that all of the write-ahead log can be copied and emptied; the sweep may
 * be doing so.
 */
async function canBeEmptied(database: Database): Promise<boolean> {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    const [row] = await database.read({ sql: "pragma wal_checkpoint(truncate)", args: [] });
    if (row?.[0] === 0) return row[1] === 0;
    await Bun.sleep(10);
  }
  return false;
}

test("a copy in steps shows one moment of the store, whatever is written between the steps", async () => {
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(change, { minLength: 5, maxLength: 30 }),
      fc.array(fc.array(change, { maxLength: 3 }), { maxLength: 30 }),
      async (before, between) => {
        run += 1;
        const [source, target] = [join(folder, `source-${run}.db`), join(folder, `target-${run}.db`)];
        const database = openDatabase({ url: `file:${source}` });
        const app = await openApp({ database });
        const store: Store = { app, database, feedHead: 0 };
        await write(
          database,
          `insert into logs (id, name) values (${FEED}, '/feeds/f/v1')`,
          `insert into feeds (log, name, version, status, started, schemas) values (${FEED}, 'f', 1, 'live', '2026-01-31T12:00:00.000Z', '{}')`,
        );
        for (const apply of before) await apply(store);
        const changes = between[Symbol.iterator]();
        await copyStore(source, target, {
          stepRows: 3,
          async onStep() {
            for (const apply of changes.next().value ?? []) await apply(store);
            expect(await canBeEmptied(database)).toBe(true);
          },
        });
        while (await sweepStep(database));
        // The source may have scrubbed its file for these already; the copy is new.
        for (const file of [source, target]) {
          const swept = openDatabase({ url: `file:${file}` });
          await write(swept, "update erasures set sweep = 0");
          swept.close();
        }
        const copy = openReadOnly(target);
        expect(await examine(copy)).toEqual([]);
        copy.close();
        expect(contentOf(target)).toEqual(contentOf(source));
        await app.close();
      },
    ),
    { numRuns: RUNS, endOnFailure: true },
  );
}, 120_000);

test("a copy of a store that a process opens and writes meanwhile shows one moment of the store", async () => {
  const [source, target] = [join(folder, "closed.db"), join(folder, "of-closed.db")];
  const fill = async (streams: readonly string[]) => {
    const database = openDatabase({ url: `file:${source}` });
    const app = await openApp({ database });
    const events = Array.from({ length: 40 }, () => ({ type: "T", data: "x".repeat(500) }));
    for (const name of streams) await app.fetch(`/streams/${name}`, jsonPost({ events }));
    await app.close();
  };
  await fill(["s-1", "s-2"]);
  // A store from another machine has no files beside it.
  for (const suffix of ["-wal", "-shm"]) rmSync(source + suffix, { force: true });
  let isOpened = false;
  await copyStore(source, target, {
    stepRows: 10,
    async onStep() {
      if (!isOpened) await fill(["s-1", "s-3", "s-4"]);
      isOpened = true;
    },
  });
  const copy = openReadOnly(target);
  expect(await examine(copy)).toEqual([]);
  copy.close();
  expect(contentOf(target)).toEqual(contentOf(source));
});
