import { afterEach, beforeEach, expect, test } from "bun:test";

import { type Consumer, feed } from "../../src/consumer/index.ts";
import type { Database } from "../../src/storage/database.ts";
import { eventually } from "../support/eventually.ts";
import { openApp, type TestApp } from "../support/app.ts";
import { sketch } from "../support/feeds.ts";
import { newDatabase } from "../support/new-database.ts";
import { openProjection } from "../support/projection.ts";
import { runsOn, TESTED_ON } from "../support/tested-on.ts";
import { libsqlEffects, network, quickConsumer } from "./support.ts";

runsOn(["memory", "sqld"]);

/** One event for each. */
const V1 = sketch({ name: "orders", version: 1 });
/** Two events for each, and also events for types that the first version ignores. */
const V2 = sketch({
  name: "orders",
  version: 2,
  project: ({ type, data }) => ({
    events: ["First", "Second"].map((part) => ({
      type: `${part}${type}`,
      data: JSON.stringify(data ?? null),
    })),
  }),
});
const STREAMS = 12;

let database: Database;
let app: TestApp;
let net: ReturnType<typeof network>;
let effects: ReturnType<typeof libsqlEffects>;
let projecting: { stop(): Promise<void> };
const consumers: Consumer[] = [];
let appended: string[];

beforeEach(async () => {
  database = await newDatabase();
  app = await openApp({ database, feeds: [V1, V2] });
  net = network(() => app);
  effects = libsqlEffects();
  await effects.read();
  const projection = await openProjection({ database, writer: app.store.writer }, [V1, V2]);
  projecting = projection.run("test", app.store.reader);
  appended = [];
});
afterEach(async () => {
  for (const consumer of consumers.splice(0)) await consumer.stop();
  await projecting.stop();
  await effects.dispose();
  await app.close();
});

/** How many are appended at a time: a subject that always changes while it is switched is not switched. */
const LOAD = TESTED_ON === "process" ? { events: 10, restMs: 1 } : { events: 1, restMs: 25 };

async function append(index: number): Promise<void> {
  const { position } = await app.append(`s-${index % STREAMS}`, {
    type: index % 3 === 0 ? "A" : "B",
    data: index,
  });
  appended.push(String(position));
}

type Event = { subject: string; type: string; projectedFrom?: number };
type Tx = Parameters<Parameters<typeof effects.store.transact>[0]>[0];

const recording = (version: string) => (event: Event, tx: Tx) =>
  effects.record(tx, event.subject, `${event.projectedFrom} ${version} ${event.type}`);

type From = "beginning" | "now";
const shared = (from: From) =>
  ({ name: "cards", store: effects.store, client: { fetch: net.fetch }, batchEvents: 3, from }) as const;

function migrating(from: From): Consumer {
  const consumer = quickConsumer({
    ...shared(from),
    feed: feed("orders/v2"),
    handle: recording("v2"),
    migrateFrom: { feed: feed("orders/v1"), handle: recording("v1") },
  });
  consumers.push(consumer);
  return consumer;
}

function start(kind: "old" | "migrating", from: From = "beginning"): Consumer {
  const consumer =
    kind === "old"
      ? quickConsumer({ ...shared(from), feed: feed("orders/v1"), handle: recording("v1") })
      : migrating(from);
  if (kind === "old") consumers.push(consumer);
  consumer.start();
  return consumer;
}

/** One of the versions handled each event of the log completely, once, and in order. */
async function expectEachHandledOnce(): Promise<{ byOld: number; byNew: number }> {
  let [byOld, byNew] = [0, 0];
  const handled: string[] = [];
  for (const entries of Object.values(await effects.read())) {
    const sources = entries.map((entry) => Number(entry.split(" ")[0]));
    expect(sources).toEqual(sources.toSorted((a, b) => a - b));
    for (const source of new Set(sources)) {
      const of = entries
        .filter((entry) => entry.startsWith(`${source} `))
        .map((entry) => entry.split(" ").slice(1));
      const versions = of.map(([version]) => version);
      if (versions[0] === "v1") {
        expect(versions).toEqual(["v1"]);
        byOld += 1;
      } else {
        expect(versions).toEqual(["v2", "v2"]);
        expect(of.map(([, type]) => type?.replace(/[AB]$/, ""))).toEqual(["First", "Second"]);
        byNew += 1;
      }
      handled.push(String(source));
    }
  }
  expect(handled.toSorted()).toEqual(appended.toSorted());
  return { byOld, byNew };
}

test("subjects are switched while events arrive, and one version handles each event, once", async () => {
  for (let index = 0; index < 60; index += 1) await append(index);
  const old = start("old");
  await eventually(() => (old.status().position ?? 0) >= 30);
  await old.stop();

  const consumer = start("migrating");
  let appending = true;
  const load = (async () => {
    for (let index = 60; appending || index < 160; index += 1) {
      await append(index);
      if (index % LOAD.events === 0) await Bun.sleep(LOAD.restMs);
    }
  })();
  await eventually(() => (consumer.migration?.status().position ?? 0) > 20);
  const found = await consumer.migration?.switchAll();
  expect(found).toEqual({ switched: STREAMS, failed: [] });
  appending = false;
  await load;
  await eventually(async () =>
    (await app.get<{ feeds: { lag: { events: number } }[] }>("/feeds")).feeds.every(
      ({ lag }) => lag.events === 0,
    ),
  );
  for (let index = 0; index < STREAMS; index += 1) await consumer.ensure(`s-${index}`, { asOf: "now" });
  const { byOld, byNew } = await expectEachHandledOnce();
  expect(byOld).toBeGreaterThan(0);
  expect(byNew).toBeGreaterThan(0);
  expect(await consumer.migration?.check()).toMatchObject({ agrees: true, subjects: STREAMS });
  expect((await consumer.reconstitute({ all: true })).healedSubjects).toBe(0);
  await consumer.stop();

  // The old version is dropped.
  const after = quickConsumer({
    name: "cards",
    store: effects.store,
    client: { fetch: net.fetch },
    feed: feed("orders/v2"),
    handle: recording("v2"),
  });
  consumers.push(after);
  after.start();
  await append(1_000);
  await append(1_001);
  await eventually(
    async () =>
      Object.values(await effects.read())
        .flat()
        .filter((entry) => entry.includes("v2")).length ===
      2 * (byNew + 2),
  );
  await expectEachHandledOnce();
});

test("subjects stay with the old version until they are switched, and new ones begin with the new", async () => {
  for (let index = 0; index < STREAMS; index += 1) await append(index);
  const old = start("old");
  await eventually(() => old.status().position === STREAMS);
  await old.stop();
  const consumer = start("migrating");
  await eventually(() => consumer.status().position === 2 * STREAMS);
  await append(3);
  await eventually(() => consumer.migration?.status().position === STREAMS + 1);
  expect((await effects.read())["s-3"]).toEqual(["4 v1 PublicA", "13 v1 PublicA"]);
  expect(await consumer.migration?.check()).toMatchObject({ agrees: false });
  expect((await consumer.migration?.check())?.unswitched).toHaveLength(STREAMS);

  await consumer.migration?.switchSubject("s-3");
  // A restore must check whether the feed still has the event at which the subject was switched.
  const [switched] = await effects.store.readSubjects("cards orders/v2", ["s-3"]);
  expect(switched?.identity).toMatch(/^[0-9a-f]{16}$/);
  await append(15);
  await eventually(async () => (await effects.read())["s-3"]?.length === 4);
  expect((await effects.read())["s-3"]?.slice(2)).toEqual(["14 v2 FirstA", "14 v2 SecondA"]);
  expect((await consumer.migration?.check())?.unswitched).toHaveLength(STREAMS - 1);
});

test("versions that do not have the same subjects do not agree", async () => {
  await append(0);
  const consumer = start("migrating");
  await app.append("s-0", { type: "A" });
  await eventually(async () => Object.values(await effects.read()).flat().length >= 2);
  await consumer.migration?.switchAll();
  net.failWith(async (path, init) => {
    const response = await app.fetch(path, init);
    if (!/^\/feeds\/orders\/v2\/subjects(\?|$)/.test(path)) return response;
    return Response.json({ subjects: [] });
  });
  expect(await consumer.migration?.check()).toMatchObject({ agrees: false, onlyOld: ["s-0"] });
});

test("a consumer that started at the end switches without handling earlier events", async () => {
  for (let index = 0; index < STREAMS; index += 1) await append(index);
  const isProjected = async (events: number) => {
    const { feeds } = await app.get<{ feeds: { head: number; lag: { events: number } }[] }>("/feeds");
    return feeds.every(({ lag, head }) => lag.events === 0 && head >= events);
  };
  await eventually(() => isProjected(STREAMS));
  const old = start("old", "now");
  await eventually(() => old.status().phase === "live");
  await append(3);
  await eventually(() => old.status().position === STREAMS + 1);
  await old.stop();
  const handled = { "s-3": ["13 v1 PublicA"] };
  expect(await effects.read()).toEqual(handled);

  await eventually(async () => {
    const { feeds } = await app.get<{ feeds: { version: number; head: number }[] }>("/feeds");
    return feeds.some(({ version, head }) => version === 2 && head === 2 * (STREAMS + 1));
  });
  const consumer = start("migrating", "now");
  await eventually(() => consumer.status().phase === "live");
  expect(await consumer.migration?.switchAll()).toEqual({ switched: STREAMS, failed: [] });
  expect(await effects.read()).toEqual(handled);
  expect(await consumer.migration?.check()).toMatchObject({ agrees: true });
  await append(15);
  await append(4);
  await eventually(async () => Object.values(await effects.read()).flat().length >= 1 + 2 + 2);
  expect(await effects.read()).toEqual({
    "s-3": ["13 v1 PublicA", "14 v2 FirstA", "14 v2 SecondA"],
    "s-4": ["15 v2 FirstB", "15 v2 SecondB"],
  });
});

for (const lags of [false, true]) {
  const where = lags ? "has not projected" : "has, and its consumer has not reached,";
  test(`an event that the old version ${where} when the new one starts is handled`, async () => {
    await append(3);
    const head = async () => (await app.get<{ feeds: { version: number; head: number }[] }>("/feeds")).feeds;
    const published = (version: number, events: number) =>
      eventually(async () => (await head()).some((each) => each.version === version && each.head === events));
    await Promise.all([published(1, 1), published(2, 2)]);
    const old = start("old", "now");
    await eventually(() => old.status().phase === "live");
    await append(3);
    await eventually(() => old.status().position === 2);
    await old.stop();
    if (lags) {
      await projecting.stop();
      const only = await openProjection({ database, writer: app.store.writer }, [V2]);
      projecting = only.run("other", app.store.reader);
    }
    await append(4);
    await published(2, 6);
    if (!lags) await published(1, 3);

    // The old version's feed cannot be followed for a while.
    net.failWith((path) =>
      /^\/feeds\/orders\/v1(\/events)?(\?|$)/.test(path) ? new Response(null, { status: 503 }) : undefined,
    );
    const consumer = start("migrating", "now");
    await eventually(() => consumer.status().phase === "live");
    await append(4);
    await eventually(async () => (await effects.read())["s-4"] !== undefined);
    net.heal();
    if (lags) {
      await projecting.stop();
      const both = await openProjection({ database, writer: app.store.writer }, [V1, V2]);
      projecting = both.run("last", app.store.reader);
    }
    await eventually(() => consumer.migration?.status().position === 4);
    expect(await effects.read()).toEqual({
      "s-3": ["2 v1 PublicA"],
      "s-4": ["3 v2 FirstB", "3 v2 SecondB", "4 v2 FirstB", "4 v2 SecondB"],
    });
  });
}

test("a subject that is switched before the consumer starts loses no event in between", async () => {
  await append(4);
  const published = (version: number, head: number) =>
    eventually(async () => {
      const { feeds } = await app.get<{ feeds: { version: number; head: number }[] }>("/feeds");
      return feeds.some((each) => each.version === version && each.head === head);
    });
  await published(1, 1);
  const old = start("old", "now");
  await eventually(() => old.status().phase === "live");
  await old.stop();
  await published(2, 2);
  const consumer = migrating("now");
  await consumer.migration?.switchSubject("s-4");
  await append(4);
  await published(2, 4);
  consumer.start();
  await eventually(async () => Object.keys(await effects.read()).length > 0);
  expect(await effects.read()).toEqual({ "s-4": ["2 v2 FirstB", "2 v2 SecondB"] });
});
