import { afterEach, beforeEach, expect, test } from "bun:test";
import fc from "fast-check";

import { type Client, createClient, KildeError } from "../../../src/client/index.ts";
import type { Clock } from "../../../src/core/clock.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { correlationsJob, MEASURE_CORRELATED } from "../../../src/log/read/correlations.ts";
import { readSweepBacklog } from "../../../src/log/erase/sweeper.ts";
import type { Database } from "../../../src/storage/database.ts";
import { openApp, type TestApp, type TestAppOptions } from "../../support/app.ts";
import { eventually } from "../../support/eventually.ts";
import { newDatabase } from "../../support/new-database.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld"]);

let database: Database;
let app: TestApp;
let client: Client;
beforeEach(async () => {
  database = await newDatabase();
  app = await openApp({ database, correlations: true });
  client = clientOf(app);
});
afterEach(() => app.close());

function clientOf({ fetch }: TestApp): Client {
  const relative = (url: string, init: RequestInit) => fetch(url.replace("http://kilde.test", ""), init);
  return createClient({ url: "http://kilde.test", fetch: async (url, init) => relative(url, init) });
}

/** Closes the app of the test, and opens another on a new database. */
async function reopen(options: TestAppOptions): Promise<void> {
  await app.close();
  database = await newDatabase();
  app = await openApp({ database, ...options });
  client = clientOf(app);
}

const indexed = () =>
  eventually(async () => {
    const { indexed: upTo, head } = await client.correlated("none");
    return upTo === head;
  });

const append = (stream: string, correlationId?: string) =>
  client.append(stream, {
    type: "A",
    ...(correlationId === undefined ? {} : { metadata: { correlationId } }),
  });

const positionsOf = async (id: string) =>
  (await client.correlated(id)).events.map(({ position }) => position);

test("the events with a correlation id are read in order, page by page", async () => {
  for (let n = 0; n < 10; n += 1) await append(`s-${n % 3}`, n % 2 === 0 ? "order-1" : undefined);
  await indexed();
  const found: number[] = [];
  let after: number | undefined;
  for (;;) {
    const { events, next } = await client.correlated("order-1", { after, limit: 2 });
    found.push(...events.map(({ position }) => position));
    for (const { metadata } of events) expect(metadata.correlationId).toBe("order-1");
    if (next === null) break;
    after = next;
  }
  expect(found).toEqual([1, 3, 5, 7, 9]);
  expect(await positionsOf("order-2")).toEqual([]);
});

test("older events are indexed when the setting is turned on, by whichever processes have it", async () => {
  await reopen({});
  client = clientOf(app);
  const refused = await client.correlated("a").catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(KildeError);
  expect(refused).toMatchObject({ code: "correlations-off" });
  for (let n = 0; n < 20; n += 1) await append("s", n % 2 === 0 ? "a" : "b");
  const left = { ...database, close: () => {} };
  const others = [
    await openApp({ database: left, correlations: true }),
    await openApp({ database: left, correlations: true }),
  ];
  client = clientOf(others[0] ?? app);
  await indexed();
  expect(await positionsOf("a")).toEqual([1, 3, 5, 7, 9, 11, 13, 15, 17, 19]);
  await Promise.all(others.map((other) => other.close()));
});

test("an erased or truncated event is not read any more, and its entry goes with it", async () => {
  await append("kept", "a");
  await append("erased", "a");
  await append("cut", "a");
  await append("cut", "a");
  await indexed();
  await client.erase("erased", "asked");
  await client.truncate("cut", 2);
  expect(await positionsOf("a")).toEqual([1, 4]);
  await eventually(async () => (await readSweepBacklog(database)).erasures === 0);
  const left = { sql: "select position from event_correlations order by position", args: [] };
  await eventually(async () => (await database.read(left)).length === 2);
  expect((await database.read(left)).map(([position]) => Number(position))).toEqual([1, 4]);
});

test("each of any ids has the events that were appended with it", async () => {
  const ids = fc.array(fc.option(fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 })), {
    maxLength: 30,
  });
  await fc.assert(
    fc.asyncProperty(ids, async (appended) => {
      const expected = new Map<string, number[]>();
      for (const id of appended) {
        const usable = id === null || id.trim() !== id || /\p{C}/u.test(id) ? undefined : id;
        const { position } = await append("s", usable);
        if (usable !== undefined) expected.set(usable, [...(expected.get(usable) ?? []), position]);
      }
      await indexed();
      for (const [id, positions] of expected) {
        const found = await positionsOf(id);
        expect(found.slice(-positions.length)).toEqual(positions);
      }
    }),
    { numRuns: 5 },
  );
});

test("a large answer is cut after the event that fills it", async () => {
  await reopen({ correlations: true, limits: { pageBytes: 10_000 } });
  const metadata = { correlationId: "a" };
  for (let n = 0; n < 3; n += 1) await client.append("s", { type: "A", data: "x".repeat(6_000), metadata });
  await indexed();
  const first = await client.correlated("a");
  expect(first.events.map(({ position }) => position)).toEqual([1]);
  expect(first.next).toBe(1);
});

test("a read searches the index, whatever the number of events, and the job reads 500 of them at a time", async () => {
  const plan = await database.read({
    sql: `explain query plan ${MEASURE_CORRELATED}`,
    args: [0, "a", 0, 10],
  });
  const text = plan.map((row) => String(row[3])).join("\n");
  expect(text).toMatch(/SEARCH entry USING PRIMARY KEY \(correlation=\? AND position>\?\)/);
  expect(text).not.toMatch(/SCAN|ORDER BY/);
  await reopen({});
  await client.append(
    "s",
    Array.from({ length: 900 }, () => ({ type: "A" })),
  );
  const clock: Clock = { ...systemClock, monotonic: () => 1 };
  const job = correlationsJob({ database, writer: app.store.writer, clock });
  const slice = { deadline: 0, signal: new AbortController().signal };
  expect(await job.run(slice)).toBe("progressed");
  const progress = { sql: "select position from correlation_progress", args: [] };
  expect((await database.read(progress)).map(([position]) => Number(position))).toEqual([500]);
  expect(await job.run(slice)).toHaveProperty("until");
});

test("the job stops when the calls of its slice are spent, although time is left", async () => {
  await reopen({});
  await client.append(
    "s",
    Array.from({ length: 900 }, () => ({ type: "A" })),
  );
  const spent = new AbortController();
  const counting: Database = {
    ...database,
    read(statement) {
      spent.abort();
      return database.read(statement);
    },
  };
  const job = correlationsJob({ database: counting, writer: app.store.writer, clock: systemClock });
  const slice = { deadline: Number.POSITIVE_INFINITY, signal: spent.signal };
  expect(await job.run(slice)).toBe("progressed");
});
