import { afterEach, beforeEach, expect, test } from "bun:test";

import { type Consumer, feed, HandlerError } from "../../src/consumer/index.ts";
import { KildeError } from "../../src/client/index.ts";
import type { Database } from "../../src/storage/database.ts";
import { eventually } from "../support/eventually.ts";
import { openApp, type TestApp } from "../support/app.ts";
import { sketch } from "../support/feeds.ts";
import { newDatabase } from "../support/new-database.ts";
import { libsqlEffects, network, quickConsumer } from "./support.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["memory", "sqld"]);

const FEED = sketch({ name: "users", version: 1 });

let database: Database;
let app: TestApp;
let net: ReturnType<typeof network>;
let effects: ReturnType<typeof libsqlEffects>;
let consumer: Consumer;
let bad: Set<string>;
beforeEach(async () => {
  database = await newDatabase();
  // Nothing projects the feed, except requests for a subject.
  app = await openApp({ database, feeds: [FEED] });
  net = network(() => app);
  effects = libsqlEffects();
  await effects.read();
  bad = new Set();
  consumer = make("cards");
});
afterEach(async () => {
  net.heal();
  await consumer.stop();
  await effects.dispose();
  await app.close();
});

function make(name: string, from: "beginning" | "now" = "beginning"): Consumer {
  return quickConsumer({
    feed: feed("users/v1"),
    name,
    from,
    store: effects.store,
    async handle(event, tx) {
      if (bad.has(`${event.subject} ${event.version}`)) throw new Error("bad");
      await effects.record(tx, event.subject, `${event.version} ${event.type}`);
    },
    client: { fetch: net.fetch },
  });
}

const reads = () => net.requests.filter((request) => request.includes("/subjects/"));

test("an unknown subject is loaded on request, by one request for all callers", async () => {
  await app.append("u-1", { type: "A" }, { type: "B" });
  await app.append("u-2", { type: "A" });
  const asked = await Promise.all(Array.from({ length: 10 }, () => consumer.ensure("u-1")));
  expect(asked).toEqual(Array.from({ length: 10 }, () => ({ subject: "u-1", version: 2 })));
  expect(await effects.read()).toEqual({ "u-1": ["1 PublicA", "2 PublicB"] });
  expect(reads()).toHaveLength(1);
  expect(await consumer.ensure("u-1")).toEqual({ subject: "u-1", version: 2 });
  expect(reads()).toHaveLength(1);
  expect(await consumer.ensure("nobody")).toBeNull();
});

test("a caller may require a version", async () => {
  await app.append("u-1", { type: "A" });
  await consumer.ensure("u-1");
  await app.append("u-1", { type: "B" });
  expect(await consumer.ensure("u-1")).toMatchObject({ version: 1 });
  expect(await consumer.ensure("u-1", { version: 2 })).toMatchObject({ version: 2 });
  await app.append("u-1", { type: "A" });
  expect(await consumer.ensure("u-1", { asOf: "now" })).toMatchObject({ version: 3 });
  const error = await consumer.ensure("u-1", { version: 9 }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(KildeError);
  expect(error).toMatchObject({ code: "feed-behind" });
  expect(await effects.read()).toEqual({ "u-1": ["1 PublicA", "2 PublicB", "3 PublicA"] });
});

test("loading as of now is as of the call, also when a request from before is still under way", async () => {
  await app.append("u-1", { type: "A" });
  let release = () => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  net.failWith(async (path, init) => {
    const response = await app.fetch(path, init);
    await held;
    return response;
  });
  const before = consumer.ensure("u-1", { asOf: "now" });
  await eventually(() => reads().length > 0);
  await app.append("u-1", { type: "B" });
  const after = [consumer.ensure("u-1", { asOf: "now" }), consumer.ensure("u-1", { asOf: "now" })];
  release();
  await before;
  for (const each of await Promise.all(after)) expect(each).toMatchObject({ version: 2 });
  expect(await effects.read()).toEqual({ "u-1": ["1 PublicA", "2 PublicB"] });
});

test("a failed handler rejects the call, and the subject is blocked", async () => {
  await app.append("u-1", { type: "A" }, { type: "B" });
  bad.add("u-1 2");
  const error = await consumer.ensure("u-1", { asOf: "now" }).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(HandlerError);
  expect(error).toMatchObject({ subject: "u-1", version: 2, type: "PublicB" });
  expect(consumer.status().blocked).toMatchObject([{ subject: "u-1", version: 1, known: 2 }]);
  expect(await effects.read()).toEqual({ "u-1": ["1 PublicA"] });
  bad.clear();
  consumer.start();
  await eventually(() => consumer.status().blocked.length === 0);
  expect(await effects.read()).toEqual({ "u-1": ["1 PublicA", "2 PublicB"] });
});

test("a call while the consumer follows does not change the handled events", async () => {
  await consumer.ensure("nobody");
  consumer.start();
  const asked: Promise<unknown>[] = [];
  for (let index = 0; index < 60; index += 1) {
    await app.append(`u-${index % 5}`, { type: "A" });
    asked.push(consumer.ensure(`u-${(index * 3) % 5}`, index % 2 === 0 ? { asOf: "now" } : {}));
  }
  await Promise.all(asked);
  for (let index = 0; index < 5; index += 1) await consumer.ensure(`u-${index}`, { asOf: "now" });
  const read = await effects.read();
  for (let index = 0; index < 5; index += 1) {
    expect(read[`u-${index}`]).toEqual(Array.from({ length: 12 }, (_, at) => `${at + 1} PublicA`));
  }
});

test("a consumer that started now loads the whole of an earlier subject on request", async () => {
  await app.append("u-1", { type: "A" }, { type: "B" });
  await make("other").ensure("u-1");
  const late = make("late", "now");
  expect(await late.ensure("u-1")).toEqual({ subject: "u-1", version: 2 });
});
