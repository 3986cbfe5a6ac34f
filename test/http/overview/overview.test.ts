import { afterEach, beforeEach, expect, test } from "bun:test";

import type { StoreOverview } from "../../../src/client/store-types.ts";
import type { Clock } from "../../../src/core/clock.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { createRecentHeads } from "../../../src/log/follow/recent-heads.ts";
import { SELECT_HEALTH } from "../../../src/webhooks/subscriptions/health.ts";
import type { Database, Statement } from "../../../src/storage/database.ts";
import { registerFeeds } from "../../../src/feeds/lifecycle/register.ts";
import { objective, watcher } from "../../administration/objectives/objectives.ts";
import { jsonPost, openApp, type TestApp } from "../../support/app.ts";
import { sketch } from "../../support/feeds.ts";
import { commandFault } from "../../support/command-fault.ts";
import { createTestKey, type TestKey } from "../../support/keys.ts";
import { newDatabase } from "../../support/new-database.ts";
import { openProjection } from "../../support/projection.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld"]);

const FEEDS = [
  sketch({ name: "orders", source: { types: ["A"] } }),
  // Its projection fails at an event of type Bad.
  sketch({ name: "bad" }),
  sketch({ name: "open", source: { types: ["A"] }, access: "public" }),
];

const STARTED_MS = Date.parse("2026-02-01T12:00:00Z");

let database: Database;
let app: TestApp;
let admin: TestKey;
let nowMs: number;
let monotonicMs: number;
/** Facts are used again while this clock stands still, so each test moves it before it looks again. */
const clock: Clock = { ...systemClock, now: () => nowMs, monotonic: () => monotonicMs };

function advance(ms: number): void {
  nowMs += ms;
  monotonicMs += ms;
}

beforeEach(async () => {
  nowMs = STARTED_MS;
  monotonicMs = 0;
  database = await newDatabase();
  app = await openApp({ database, clock, feeds: FEEDS, environment: "production" });
  admin = await createTestKey(app, ["admin"]);
  await admin.append("order-1", { type: "A" }, { type: "Bad" });
});
afterEach(() => app.close());

async function overview(key: Pick<TestKey, "get"> = admin): Promise<StoreOverview> {
  advance(1);
  return key.get<StoreOverview>("/overview");
}

async function project(): Promise<void> {
  const projection = await openProjection({ database, writer: app.store.writer }, FEEDS);
  await projection.drain();
  await projection.feeds.close();
}

async function subscribe(): Promise<string> {
  const body = { source: "/events", url: "https://hooks.example.org/kilde" };
  const made = await admin.fetch("/subscriptions", jsonPost(body));
  return ((await made.json()) as { subscription: string }).subscription;
}

async function commit(name: string, body: object, log = "/events"): Promise<void> {
  const { fetch } = await createTestKey(app, [`read:${log}`], { consumer: name });
  const init = { method: "PUT", body: JSON.stringify(body) };
  expect((await fetch(`${log}/consumers/${name}`, init)).status).toBe(200);
}

test("a store without problems has counts and its environment", async () => {
  await commit("cards", { position: 2 });
  await subscribe();
  expect(await overview()).toMatchObject({
    version: "test",
    environment: "production",
    head: 2,
    activity: null,
    feeds: { building: 3, live: 0, halted: 0, superseded: 0 },
    consumers: { "keeps-up": 1, late: 0, blocked: 0, silent: 0 },
    subscriptions: { delivering: 1, failing: 0, paused: 0, blockedSubjects: 0 },
    problemCount: 0,
    problems: [],
  });
});

test("problems have their next step, the most urgent kind first", async () => {
  await project();
  await commit("late", { position: 1 });
  const id = await subscribe();
  await admin.fetch(`/subscriptions/${id}/pause`, jsonPost({ reason: "moving" }));
  await commit("gone", { position: 2 });
  advance(2 * 60_000);
  await commit("stuck", { position: 2, blocked: 3 });
  const shown = await overview();
  expect(shown.feeds.halted).toBe(1);
  expect(shown.problemCount).toBe(4);
  expect(shown.problems.map(({ kind, resource }) => [kind, resource])).toEqual([
    ["feed-halted", "/feeds/bad/v1"],
    ["consumer-blocked", "/events/consumers/stuck"],
    ["subscription-paused", `/subscriptions/${id}`],
    ["consumer-late", "/events/consumers/late"],
  ]);
  expect(shown.problems.map(({ next }) => next)).toEqual([
    { view: "/console/feeds/bad/v1", command: "kilde feeds resume bad v1" },
    { view: "/console/consumers?log=%2Fevents&consumer=stuck", command: "kilde consumers" },
    { view: `/console/webhooks/${id}`, command: `kilde webhooks resume ${id}` },
    { view: "/console/consumers?log=%2Fevents&consumer=late", command: "kilde consumers" },
  ]);
  for (const { next } of shown.problems) {
    expect([next.command, await commandFault(next.command.split(" ").slice(1))]).toEqual([
      next.command,
      null,
    ]);
  }
  advance(4 * 60_000);
  const later = await overview();
  expect(later.consumers).toEqual({ "keeps-up": 0, late: 0, blocked: 1, silent: 2 });
});

test("a subscription with blocked subjects is failing", async () => {
  const id = await subscribe();
  await database.write([
    {
      sql: `insert into subscription_subjects (subscription, subject, next, attempts, due, error, since)
        select ?1, id, 1, 2, null, 'status 422', '2026-02-01T12:00:00.000Z' from subjects where name = 'order-1' and log = 0`,
      args: [id],
    },
  ]);
  const { subscriptions, problems } = await overview();
  expect(subscriptions).toEqual({ delivering: 0, failing: 1, paused: 0, blockedSubjects: 1 });
  expect(problems).toMatchObject([
    {
      kind: "subscription-failing",
      detail: "In the delivery of /events, 1 subject is blocked",
      since: "2026-02-01T12:00:00.000Z",
      next: { command: `kilde webhooks blocked ${id}` },
    },
  ]);
});

test("a consumer that only ever read is no problem when it is silent", async () => {
  const reader = await createTestKey(app, ["read:/events"], { consumer: "curl" });
  await reader.get("/events");
  await reader.get("/events/consumers/curl");
  advance(3_600_000);
  const { consumers, problems } = await overview();
  expect([consumers.silent, problems]).toEqual([0, []]);
});

test("missed objectives are problems with their contact, and replace the limits that all consumers have", async () => {
  await project();
  const id = await subscribe();
  const stated = [
    objective({
      kind: "consumer",
      name: "cards",
      lagSeconds: 30,
      silentSeconds: 3_600,
      contact: "#team-cards",
    }),
    objective({ kind: "consumer", name: "patient", lagSeconds: 7_200, silentSeconds: 7_200 }),
    objective({ kind: "feed", name: "/feeds/bad/v1", lagSeconds: 60, contact: "#team-feeds" }),
    objective({ kind: "subscription", name: id, silentSeconds: 120 }),
  ];
  const registered = await registerFeeds(database, clock, FEEDS);
  const look = watcher({ database, writer: app.store.writer, stated, nowMs: () => nowMs }, registered);
  await look();
  await commit("cards", { position: 1 });
  await commit("patient", { position: 1 });
  const began = new Date(nowMs + 121_000).toISOString();
  advance(121_000);
  await look();
  const shown = await overview();
  expect(shown.problems.slice(1)).toEqual([
    {
      kind: "feed-late",
      resource: "/feeds/bad/v1",
      detail: '"/feeds/bad/v1" has events to project for longer than its objective, 60 s',
      contact: "#team-feeds",
      since: began,
      next: { view: "/console/feeds/bad/v1", command: "kilde feeds" },
    },
    {
      kind: "consumer-late",
      resource: "/events/consumers/cards",
      detail: '"cards" of /events has events to handle for longer than its objective, 30 s',
      contact: "#team-cards",
      since: began,
      next: { view: "/console/consumers?log=%2Fevents&consumer=cards", command: "kilde consumers" },
    },
    {
      kind: "subscription-silent",
      resource: `/subscriptions/${id}`,
      detail: `"${id}" has delivered nothing for longer than its objective, 120 s`,
      contact: null,
      since: began,
      next: { view: `/console/webhooks/${id}`, command: `kilde webhooks attempts ${id}` },
    },
  ]);
  expect(shown.consumers).toEqual({ "keeps-up": 1, late: 1, blocked: 0, silent: 0 });
  for (const { next } of shown.problems)
    expect([next.command, await commandFault(next.command.split(" ").slice(1))]).toEqual([
      next.command,
      null,
    ]);
  const kinds = async (...grants: string[]) =>
    (await overview(await createTestKey(app, grants))).problems.map(({ kind }) => kind);
  expect(await kinds("read:/feeds/bad")).toEqual(["feed-halted", "feed-late"]);
  expect(await kinds("manage:/events")).toEqual(["consumer-late"]);
  expect(await kinds("read:/events", "manage:/subscriptions")).toEqual(["subscription-silent"]);
  expect(await kinds("read:/metrics")).toEqual([]);
});

test("an objective of a subscription that does not exist is a problem for those who manage all subscriptions", async () => {
  const id = await subscribe();
  const stated = ["sub_typo", id].map((name) =>
    objective({ kind: "subscription", name, silentSeconds: 3_600, contact: "#team-orders" }),
  );
  const since = new Date(nowMs).toISOString();
  await watcher({ database, writer: app.store.writer, stated, nowMs: () => nowMs })();
  const problem = {
    kind: "subscription-unknown",
    resource: "/subscriptions/sub_typo",
    detail: '"sub_typo" has an objective, but the store has no such subscription',
    contact: "#team-orders",
    since,
    next: { view: "/console/webhooks", command: "kilde webhooks" },
  } as const;
  expect((await overview()).problems).toEqual([problem]);
  const manager = await createTestKey(app, ["read:/events", "manage:/subscriptions"]);
  expect((await overview(manager)).problems).toEqual([problem]);
  const others = await createTestKey(app, ["manage:/events"]);
  expect((await overview(others)).problems).toEqual([]);
  expect((await admin.fetch(`/subscriptions/${id}`, { method: "DELETE" })).status).toBe(204);
  advance(60_000);
  expect((await overview()).problems.map(({ resource }) => resource)).toEqual([
    `/subscriptions/${id}`,
    "/subscriptions/sub_typo",
  ]);
});

test("a consumer that has read no log, though it has an objective, is a problem for those who manage the event log", async () => {
  const stated = [
    objective({ kind: "consumer", name: "team cards", silentSeconds: 120, contact: "#team-cards" }),
  ];
  const look = watcher({ database, writer: app.store.writer, stated, nowMs: () => nowMs });
  await look();
  advance(121_000);
  await look();
  const next = { view: "/console/consumers", command: "kilde consumers" };
  expect((await overview()).problems).toEqual([
    {
      kind: "consumer-silent",
      resource: "/consumers/team%20cards",
      detail: '"team cards" has read no log for longer than its objective, 120 s',
      contact: "#team-cards",
      since: new Date(nowMs - 1).toISOString(),
      next,
    },
  ]);
  const count = async (...grants: string[]) =>
    (await overview(await createTestKey(app, grants))).problemCount;
  expect([await count("manage:/events"), await count("manage:/feeds"), await count("read:/events")]).toEqual([
    1, 0, 0,
  ]);
});

test("a sender learns only of the parts that its grants reach", async () => {
  await project();
  await commit("stuck", { position: 2, blocked: 1 });
  await subscribe();
  const blind = await overview(await createTestKey(app, ["read:/metrics"]));
  expect(blind).toMatchObject({
    head: null,
    feeds: { live: 1, halted: 0 },
    consumers: { blocked: 0 },
    subscriptions: { delivering: 0 },
    problems: [],
  });
  const reader = await overview(await createTestKey(app, ["read:/feeds/bad"]));
  expect(reader).toMatchObject({ head: null, feeds: { live: 1, halted: 1 } });
  // The message quotes data.
  expect(reader.problems.map(({ detail }) => detail)).toEqual([
    "The projection failed at event 2 of its source",
  ]);
  const manager = await overview(await createTestKey(app, ["manage:/feeds"]));
  expect(manager.problems[0]?.detail).toContain("event 2 of its source: ");
  const operator = await overview(await createTestKey(app, ["manage:/events", "manage:/subscriptions"]));
  expect(operator).toMatchObject({ consumers: { blocked: 1 }, subscriptions: { delivering: 0 } });
  const subscriber = await overview(await createTestKey(app, ["read:/events", "manage:/subscriptions"]));
  expect(subscriber).toMatchObject({ head: 2, consumers: { blocked: 0 }, subscriptions: { delivering: 1 } });
});

test("the growth of the event log is that of the heads that the process noted", async () => {
  const recentHeads = createRecentHeads(clock);
  const other = await openApp({ database, clock, recentHeads });
  const key = await createTestKey(other, ["read:/events"]);
  expect((await overview(key)).activity).toBeNull();
  recentHeads.note(2);
  advance(10_000);
  recentHeads.note(52);
  advance(10_000);
  recentHeads.note(52);
  expect((await overview(key)).activity).toMatchObject({
    stepSeconds: 10,
    heads: [2, 52, 52],
    eventsPerSecond: [5, 0],
  });
  await other.close();
});

test("an overview of 10,000 consumers reads each once, and no statement scans streams or events", async () => {
  const time = new Date(nowMs).toISOString();
  await database.write([
    {
      sql: `with recursive numbers(n) as (values (1) union all select n + 1 from numbers where n < 10000)
        insert into consumers (log, name, committed, sent, since, seen)
        select 0, format('c-%05d', n), 1, 1, ?1, ?1 from numbers`,
      args: [time],
    },
  ]);
  const seen: Statement[] = [];
  const spied: Database = {
    ...database,
    close: () => {},
    read(statement) {
      seen.push(statement);
      return database.read(statement);
    },
  };
  const other = await openApp({ database: spied, clock, feeds: FEEDS });
  const { get } = await createTestKey(other, ["admin"]);
  seen.length = 0;
  advance(1);
  const { consumers, problems } = await get<StoreOverview>("/overview");
  expect(Object.values(consumers).reduce((total, count) => total + count)).toBe(10_000);
  expect(problems.length).toBeLessThanOrEqual(100);
  // 20 full pages, one that ends them, and a constant number of others.
  expect(seen.length).toBeLessThanOrEqual(60);
  for (const { sql, args } of seen) {
    const plan = await database.read({ sql: `explain query plan ${sql}`, args });
    expect(
      plan.map((row) => String(row[3])).filter((step) => /SCAN (events?|subjects?)\b/.test(step)),
    ).toEqual([]);
  }
  await other.close();
});

test("the health of subscriptions is read without a scan of the subjects or events", async () => {
  const plan = await database.read({ sql: `explain query plan ${SELECT_HEALTH}`, args: ["", 10] });
  const steps = plan.map((row) => String(row[3]));
  expect(steps.filter((step) => /SCAN (lane|log|events)\b|TEMP/.test(step))).toEqual([]);
});

test("an overview reads the consumers of all logs at once, since a worker has few calls of the database", async () => {
  await app.close();
  database = await newDatabase();
  let reads = 0;
  const counting: Database = {
    ...database,
    read(statement) {
      if (statement.sql.includes("from consumers as consumer")) reads += 1;
      return database.read(statement);
    },
  };
  app = await openApp({ database: counting, clock, feeds: FEEDS });
  admin = await createTestKey(app, ["admin"]);
  await admin.append("order-1", { type: "A" });
  await commit("cards", { position: 1 });
  for (const { name } of FEEDS) await commit("cards", { position: 0 }, `/feeds/${name}/v1`);
  reads = 0;
  expect((await overview()).consumers).toMatchObject({ late: 0, "keeps-up": 4 });
  expect(reads).toBe(1);
});
