import { afterEach, beforeEach, expect, test } from "bun:test";

import type { Clock } from "../../../src/core/clock.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import type { Objective } from "../../../src/core/objective.ts";
import type { Feed } from "../../../src/feeds/feed.ts";
import { registerFeeds } from "../../../src/feeds/lifecycle/register.ts";
import { examine } from "../../../src/doctor/doctor.ts";
import type { Database } from "../../../src/storage/database.ts";
import { openApp, type TestApp } from "../../support/app.ts";
import { eventually } from "../../support/eventually.ts";
import { sketch } from "../../support/feeds.ts";
import { newDatabase } from "../../support/new-database.ts";
import { openProjection } from "../../support/projection.ts";
import { runsOn } from "../../support/tested-on.ts";
import { ALARMS_QUERY, alarmOf, objective, watcher } from "./objectives.ts";

runsOn(["memory", "sqld"]);

const ORDERS = sketch({ name: "orders" });
const TOTALS = sketch({ name: "totals", source: { log: "/feeds/orders/v1", types: ["PublicA"] } });
const FEEDS: readonly Feed[] = [ORDERS, TOTALS];

let database: Database;
let app: TestApp;
let nowMs: number;
const clock: Clock = { ...systemClock, now: () => nowMs };
beforeEach(async () => {
  // The projections of tests have the real clock.
  nowMs = Date.now();
  database = await newDatabase();
  app = await openApp({ database, clock, feeds: FEEDS });
});
afterEach(async () => {
  expect(await examine(database)).toEqual([]);
  await app.close();
});

async function open(...stated: readonly Objective[]) {
  const registered = await registerFeeds(database, clock, FEEDS);
  return watcher({ database, writer: app.store.writer, stated, nowMs: () => nowMs }, registered);
}

async function project(...feeds: readonly Feed[]): Promise<void> {
  const projection = await openProjection({ database, writer: app.store.writer }, FEEDS);
  const { drain } = await openProjection({ database, writer: app.store.writer }, feeds);
  await drain();
  await projection.feeds.close();
}

const feed = ({ path }: Feed, limits: Partial<Objective>) =>
  objective({ kind: "feed", name: path, contact: "#team", ...limits });

const alarms = async () =>
  (await app.get(ALARMS_QUERY))
    .filter(({ type }) => /late|silent|recovered/.test(type))
    .map(alarmOf)
    .map(([subject, type]) => `${subject} ${type}`);

test("a feed that is behind its source is late, and recovers when it has projected", async () => {
  const look = await open(feed(ORDERS, { lagSeconds: 60 }));
  await project(ORDERS);
  await app.append("s", { type: "A" });
  nowMs += 61_000;
  await look();
  await look();
  await project(ORDERS);
  await look();
  await look();
  expect(await alarms()).toEqual(["/feeds/orders/v1 feed.late", "/feeds/orders/v1 feed.recovered"]);
});

test("a feed is as late as the feed that it is projected from", async () => {
  const look = await open(feed(TOTALS, { lagSeconds: 60 }));
  await app.append("s", { type: "A" });
  await project(...FEEDS);
  await look();
  await app.append("s", { type: "A" });
  nowMs += 61_000;
  await look();
  expect(await alarms()).toEqual(["/feeds/totals/v1 feed.late"]);
});

test("a feed that is being built is neither late nor silent", async () => {
  const look = await open(feed(ORDERS, { lagSeconds: 60, silentSeconds: 120 }));
  await app.append("s", { type: "A" });
  nowMs += 600_000;
  await look();
  expect(await alarms()).toEqual([]);
});

test("a feed that publishes nothing is silent, since its last event or since it was stated", async () => {
  const look = await open(feed(ORDERS, { silentSeconds: 120 }));
  await project(ORDERS);
  nowMs += 130_000;
  await look();
  await app.append("s", { type: "A" });
  await project(ORDERS);
  await look();
  expect(await alarms()).toEqual(["/feeds/orders/v1 feed.silent", "/feeds/orders/v1 feed.recovered"]);
});

test("the alarm of a feed that is retired ends", async () => {
  const look = await open(feed(TOTALS, { silentSeconds: 120 }));
  await project(...FEEDS);
  nowMs += 130_000;
  await look();
  expect((await app.fetch("/feeds/totals/v1?force=true", { method: "DELETE" })).status).toBe(202);
  await eventually(async () => {
    await look();
    return (await alarms()).length === 2;
  });
  await look();
  expect(await alarms()).toEqual(["/feeds/totals/v1 feed.silent", "/feeds/totals/v1 feed.recovered"]);
});

test("a consumer of a feed that is retired is no longer missed", async () => {
  const stated = { kind: "consumer", name: "cards", log: TOTALS.path, silentSeconds: 120 } as const;
  const look = await open(objective(stated), objective({ ...stated, name: "ledger" }));
  await look();
  await project(...FEEDS);
  nowMs += 130_000;
  await look();
  expect((await app.fetch("/feeds/totals/v1?force=true", { method: "DELETE" })).status).toBe(202);
  await eventually(async () => {
    await look();
    return (await alarms()).length === 4;
  });
  nowMs += 130_000;
  await look();
  await look();
  const [cards, ledger] = ["cards", "ledger"].map((name) => `/feeds/totals/v1/consumers/${name} consumer.`);
  expect(await alarms()).toEqual([
    `${cards}silent`,
    `${ledger}silent`,
    `${cards}recovered`,
    `${ledger}recovered`,
  ]);
});

test("a consumer of a feed that is retired has time to read another log", async () => {
  const look = await open(objective({ kind: "consumer", name: "cards", silentSeconds: 120 }));
  const isForgotten = async () =>
    (await database.read({ sql: "select 1 from consumers", args: [] })).length === 0;
  await look();
  await project(...FEEDS);
  nowMs += 119_000;
  const init = { method: "PUT", body: '{"position":0}' };
  expect((await app.fetch("/feeds/totals/v1/consumers/cards", init)).status).toBe(200);
  nowMs += 2_000;
  expect((await app.fetch("/feeds/totals/v1?force=true", { method: "DELETE" })).status).toBe(202);
  await eventually(isForgotten);
  await look();
  nowMs += 120_000;
  await look();
  expect(await alarms()).toEqual([]);
  nowMs += 1_000;
  await look();
  expect(await alarms()).toEqual(["/consumers/cards consumer.silent"]);
});

test("a process that does not know a feed leaves its alarms as they are", async () => {
  const look = await open(feed(ORDERS, { lagSeconds: 60 }));
  await project(ORDERS);
  await app.append("s", { type: "A" });
  nowMs += 61_000;
  await look();
  await watcher({ database, writer: app.store.writer, stated: null, nowMs: () => nowMs })();
  await look();
  expect(await alarms()).toEqual(["/feeds/orders/v1 feed.late"]);
});

test("a feed that halts names the contact of its objective", async () => {
  const halts = async () =>
    (await app.get(ALARMS_QUERY)).filter(({ type }) => type === "kilde.feed.halted").map(alarmOf);
  await app.append("s", { type: "Bad" });
  await (
    await open(feed(ORDERS, { lagSeconds: 60 }))
  )();
  await project(ORDERS);
  expect(await halts()).toEqual([
    ["/feeds/orders/v1", "feed.halted", { principal: null, position: 1, subject: "s", contact: "#team" }],
  ]);
});
