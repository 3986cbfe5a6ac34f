import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import { createClient } from "../../src/client/index.ts";
import { type Consumer, eventLog, feed } from "../../src/consumer/index.ts";
import type { Database } from "../../src/storage/database.ts";
import { eventually } from "../support/eventually.ts";
import { openApp, type TestApp } from "../support/app.ts";
import { sketch } from "../support/feeds.ts";
import { newDatabase } from "../support/new-database.ts";
import { openProjection } from "../support/projection.ts";
import { type Effects, libsqlEffects, memoryEffects, network, quickConsumer, URL } from "./support.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["memory", "sqld"]);

const FEED = sketch({ name: "orders", version: 2 });

let database: Database;
let app: TestApp;
let net: ReturnType<typeof network>;
const consumers: Consumer[] = [];
beforeEach(async () => {
  database = await newDatabase();
  app = await openApp({ database, feeds: [FEED] });
  net = network(() => app);
});
afterEach(async () => {
  net.heal();
  for (const consumer of consumers.splice(0)) await consumer.stop();
  await app.close();
});

function kilde() {
  return createClient({ url: URL, fetch: net.fetch });
}

/** A consumer that records the events that it handles, and fails where `fails` returns true. */
function recording<Tx>(
  effects: Effects<Tx>,
  options: Partial<Parameters<typeof quickConsumer<Record<string, unknown>, Tx>>[0]> & {
    fails?: (entry: string) => boolean;
  } = {},
): Consumer {
  const { fails = () => false, ...rest } = options;
  const consumer = quickConsumer<Record<string, unknown>, Tx>({
    feed: eventLog(),
    name: "cards",
    store: effects.store,
    async handle(event, tx) {
      await effects.record(tx, event.subject, `${event.version} ${event.type}`);
      if (fails(`${event.subject} ${event.version}`)) throw new Error("this one is bad");
    },
    client: { fetch: net.fetch },
    ...rest,
  });
  consumers.push(consumer);
  return consumer;
}

async function caughtUp(consumer: Consumer, position: number): Promise<void> {
  await eventually(() => (consumer.status().position ?? -1) >= position);
}

test("an event that is not JSON is reported, and stops the consumer", async () => {
  const effects = memoryEffects();
  const errors: unknown[] = [];
  const consumer = recording(effects, { onError: (error) => errors.push(error) });
  await app.append("s", { type: "A", data: 1 }, { type: "A", data: 2 }, { type: "A", data: 3 });
  await database.write([{ sql: "update events set data = '{' where key = 2", args: [] }]);
  await consumer.start();
  await eventually(() => errors.length > 1);
  expect(errors[0]).toMatchObject({ name: "UnreadableEventError", log: "/events", position: 2 });
  expect(consumer.status().error).toContain("Event 2 of /events is not JSON");
  await database.write([{ sql: "update events set data = '2' where key = 2", args: [] }]);
  await caughtUp(consumer, 3);
  expect(await effects.read()).toEqual({ s: ["1 A", "2 A", "3 A"] });
});

const kinds = { memory: () => memoryEffects(), libsql: () => libsqlEffects() };

for (const [kind, open] of Object.entries(kinds)) {
  describe(kind, () => {
    let effects: Effects<unknown>;
    beforeEach(async () => {
      effects = open();
      await effects.read();
    });
    afterEach(async () => {
      for (const consumer of consumers.splice(0)) await consumer.stop();
      await effects.dispose();
    });

    for (const transport of ["sse", "poll"] as const) {
      test(`existing and new events are handled once and in order, by ${transport}`, async () => {
        await app.append("s-1", { type: "A" }, { type: "B" });
        const consumer = recording(effects, { transport });
        consumer.start();
        await caughtUp(consumer, 2);
        await app.append("s-2", { type: "A" });
        await app.append("s-1", { type: "C" });
        await caughtUp(consumer, 4);
        expect(await effects.read()).toEqual({ "s-1": ["1 A", "2 B", "3 C"], "s-2": ["1 A"] });
        await consumer.stop();

        await app.append("s-2", { type: "B" });
        const successor = recording(effects, { transport });
        successor.start();
        await caughtUp(successor, 5);
        expect(await effects.read()).toEqual({ "s-1": ["1 A", "2 B", "3 C"], "s-2": ["1 A", "2 B"] });
        expect(successor.status().counts).toMatchObject({ handled: 1, gaps: 0 });
      });
    }

    test("a feed is consumed like the event log, and its server has the position", async () => {
      await app.append("s-1", { type: "A", data: 1 }, { type: "B", data: 2 });
      await (await openProjection({ database, writer: app.store.writer }, [FEED])).drain();
      const consumer = recording(effects, { feed: feed("orders/v2") });
      consumer.start();
      await caughtUp(consumer, 2);
      expect(await effects.read()).toEqual({ "s-1": ["1 PublicA", "2 PublicB"] });
      await eventually(() => consumer.status().committed === 2);
      expect(await Array.fromAsync(kilde().consumers("orders/v2"))).toMatchObject([
        { consumer: "cards", committed: 2, lag: { events: 0 } },
      ]);
    });

    test("a failed handler blocks only its own subject, and its writes are undone", async () => {
      for (const stream of ["s-1", "s-2", "s-3"]) {
        await app.append(stream, { type: "A" }, { type: "B" }, { type: "C" });
      }
      let broken = true;
      const consumer = recording(effects, { fails: (entry) => broken && entry === "s-2 2" });
      consumer.start();
      await caughtUp(consumer, 9);
      await app.append("s-2", { type: "D" });
      await app.append("s-3", { type: "D" });
      await caughtUp(consumer, 11);
      const all = ["1 A", "2 B", "3 C"];
      expect(await effects.read()).toEqual({ "s-1": all, "s-2": ["1 A"], "s-3": [...all, "4 D"] });
      await eventually(() => (consumer.status().blocked[0]?.failure?.attempts ?? 0) >= 3);
      expect(consumer.status().blocked).toMatchObject([
        { subject: "s-2", version: 1, known: 4, failure: { version: 2, type: "B" } },
      ]);
      expect(consumer.status().blocked[0]?.failure?.message).toContain("this one is bad");

      // It is remembered where the cursor is.
      await consumer.stop();
      const successor = recording(effects, { fails: (entry) => broken && entry === "s-2 2" });
      successor.start();
      await eventually(() => successor.status().blocked.length === 1);
      expect(await effects.read()).toMatchObject({ "s-2": ["1 A"] });

      broken = false;
      await eventually(() => successor.status().blocked.length === 0);
      expect(await effects.read()).toEqual({ "s-1": all, "s-2": [...all, "4 D"], "s-3": [...all, "4 D"] });
    });

    test("events that are delivered twice, late or not at all are handled once, in order", async () => {
      await app.append("s-1", { type: "A" }, { type: "B" }, { type: "C" }, { type: "D" });
      await app.append("s-2", { type: "A" });
      const events = await Array.fromAsync(kilde().read());
      const consumer = recording(effects, { transport: "push" });
      const [a, b, c, d, other] = events;
      if (a === undefined || b === undefined || c === undefined || d === undefined || other === undefined)
        throw new Error("there are five");
      await consumer.receive([a, a]);
      await consumer.receive([c]);
      expect(await effects.read()).toEqual({ "s-1": ["1 A", "2 B", "3 C", "4 D"] });
      await Promise.all([consumer.receive([b, d]), consumer.receive([other]), consumer.receive([c])]);
      expect(await effects.read()).toEqual({ "s-1": ["1 A", "2 B", "3 C", "4 D"], "s-2": ["1 A"] });
      expect(consumer.status().counts).toMatchObject({ handled: 5, gaps: 1, pulls: 1, failures: 0 });
      // Everything came, in some order.
      expect(consumer.status().position).toBe(5);
    });

    test("a gap that cannot be filled now blocks its subject until it can", async () => {
      await app.append("s-1", { type: "A" }, { type: "B" });
      await app.append("s-2", { type: "A" });
      const [, second, other] = await Array.fromAsync(kilde().read());
      if (second === undefined || other === undefined) throw new Error("there are three");
      const consumer = recording(effects, { transport: "push" });
      await consumer.receive([]);
      net.failWith((path) => (path.startsWith("/streams") ? new Response("no", { status: 500 }) : undefined));
      await consumer.receive([second, other]);
      expect(await effects.read()).toEqual({ "s-2": ["1 A"] });
      expect(consumer.status().blocked).toMatchObject([{ subject: "s-1", version: 0, known: 2 }]);
      net.heal();
      consumer.start();
      await eventually(() => consumer.status().blocked.length === 0);
      expect(await effects.read()).toEqual({ "s-1": ["1 A", "2 B"], "s-2": ["1 A"] });
    });

    test("a tombstone follows the handled events, and later events continue after it", async () => {
      await app.append("s-1", { type: "A" }, { type: "B" }, { type: "C" });
      const consumer = recording(effects, { transport: "push" });
      const [first] = await Array.fromAsync(kilde().read({ limit: 1 }));
      if (first === undefined) throw new Error("there is one");
      await consumer.receive([first]);
      await kilde().erase("s-1", "asked to");
      await kilde().append("s-1", { type: "D" }, { expectedVersion: 4 });
      const [tombstone, after] = await Array.fromAsync(kilde().read({ stream: "s-1" }));
      if (tombstone === undefined || after === undefined) throw new Error("there are two");
      await consumer.receive([tombstone, after]);
      expect(await effects.read()).toEqual({ "s-1": ["1 A", "4 kilde.erased", "5 D"] });
      expect(consumer.status().counts).toMatchObject({ gaps: 0 });
    });

    test("truncated events are not waited for", async () => {
      await app.append("s-1", { type: "A" }, { type: "B" }, { type: "C" });
      await kilde().truncate("s-1", 3);
      const consumer = recording(effects);
      consumer.start();
      await caughtUp(consumer, 3);
      expect(await effects.read()).toEqual({ "s-1": ["3 C"] });
    });

    test("a consumer may start now, without the earlier events", async () => {
      await app.append("s-1", { type: "A" }, { type: "B" });
      const consumer = recording(effects, { from: "now" });
      consumer.start();
      await eventually(() => consumer.status().phase === "live");
      await app.append("s-1", { type: "C" });
      await app.append("s-2", { type: "A" });
      await caughtUp(consumer, 4);
      expect(await effects.read()).toEqual({ "s-1": ["3 C"], "s-2": ["1 A"] });
      expect(await consumer.reconstitute()).toMatchObject({ checked: 2, healedSubjects: 0 });
    });

    test("two processes with one name and one store handle everything once", async () => {
      for (let index = 0; index < 40; index += 1) await app.append(`s-${index % 7}`, { type: "A" });
      const both = [recording(effects, { batchEvents: 3 }), recording(effects, { batchEvents: 5 })];
      for (const consumer of both) consumer.start();
      for (const consumer of both) await caughtUp(consumer, 40);
      const read = await effects.read();
      expect(Object.values(read).flat()).toHaveLength(40);
      for (const entries of Object.values(read)) {
        expect(entries).toEqual(entries.map((_, index) => `${index + 1} A`));
      }
      expect(both.reduce((sum, consumer) => sum + consumer.status().counts.handled, 0)).toBe(40);
    });

    test("a server that is away is waited for, and shown", async () => {
      await app.append("s-1", { type: "A" });
      net.failWith(() => Promise.reject(new TypeError("connection refused")));
      const errors: unknown[] = [];
      const consumer = recording(effects, { onError: (error) => void errors.push(error) });
      consumer.start();
      await eventually(() => consumer.status().error !== null);
      expect(consumer.status().error).toContain("connection refused");
      net.heal();
      await caughtUp(consumer, 1);
      expect(await effects.read()).toEqual({ "s-1": ["1 A"] });
      await eventually(() => consumer.status().error === null);
      expect(errors.length).toBeGreaterThan(0);
    });
  });
}

test("an event of a blocked subject that arrives during its pull is not lost", async () => {
  const effects = memoryEffects();
  await app.append("s-1", { type: "A" });
  let broken = true;
  const options = {
    transport: "push",
    fails: () => broken,
    backoff: { delayMs: 30, maxDelayMs: 30 },
  } as const;
  const consumer = recording(effects, options);
  consumer.start();
  await eventually(() => consumer.status().blocked.length === 1);
  broken = false;
  // The pull has its answer, but has not handled it, when the next event comes, for the only time.
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  let pulled = 0;
  net.failWith(async (path, init) => {
    const response = await app.fetch(path, init);
    if (path.startsWith("/streams/s-1")) {
      pulled += 1;
      await held;
    }
    return response;
  });
  await eventually(() => pulled === 1);
  await app.append("s-1", { type: "B" });
  await consumer.receive(
    (await Array.fromAsync(createClient({ url: URL, fetch: net.fetch }).read())).slice(1),
  );
  release();
  await eventually(() => consumer.status().blocked.length === 0);
  expect(await effects.read()).toEqual({ "s-1": ["1 A", "2 B"] });
});
