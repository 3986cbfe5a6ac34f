import { afterEach, beforeEach, expect, test } from "bun:test";

import type { Clock } from "../../../src/core/clock.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import type { Objective } from "../../../src/core/objective.ts";
import { type Database, type Value } from "../../../src/storage/database.ts";
import { jsonPost, openApp, type TestApp } from "../../support/app.ts";
import { newDatabase } from "../../support/new-database.ts";
import { runsOn } from "../../support/tested-on.ts";
import { ALARMS_QUERY, alarmOf, objective, watcher } from "./objectives.ts";

/* No dispatcher runs, so the tests store the progress that one would store. */

runsOn(["memory", "sqld"]);

let database: Database;
let app: TestApp;
let nowMs: number;
let id: string;
const clock: Clock = { ...systemClock, now: () => nowMs };
beforeEach(async () => {
  nowMs = Date.parse("2026-02-01T12:00:00Z");
  database = await newDatabase();
  app = await openApp({ database, clock });
  const body = { source: "/events", url: "https://hooks.example.org/kilde", start: "beginning" };
  const made = await app.fetch("/subscriptions", jsonPost(body));
  id = ((await made.json()) as { subscription: string }).subscription;
});
afterEach(() => app.close());

const open = (limits: Partial<Objective>) => {
  const stated = [objective({ kind: "subscription", name: id, contact: "#team-crm", ...limits })];
  return watcher({ database, writer: app.store.writer, stated, nowMs: () => nowMs });
};

const store = (sql: string, ...args: Value[]) => database.write([{ sql, args }]);

const alarms = async () =>
  (await app.get(`${ALARMS_QUERY}&lastEventId=1`)).map(alarmOf).map(([, type, data]) => [type, data]);

const types = async () => (await alarms()).map(([type]) => type);

test("a subscription with an event to deliver for too long is late, and recovers when it is delivered", async () => {
  const look = open({ lagSeconds: 60 });
  await app.append("s", { type: "A" });
  nowMs += 61_000;
  await look();
  await look();
  await store("update subscriptions set cursor = 1");
  await look();
  await look();
  const figures = { principal: null, contact: "#team-crm", objectiveSeconds: 60 };
  expect(await alarms()).toEqual([
    ["subscription.late", { ...figures, measuredSeconds: 61 }],
    ["subscription.recovered", { ...figures, from: "late", measuredSeconds: 0 }],
  ]);
});

test("events before the cursor that are pending or in a batch make a subscription late, and blocked ones do not", async () => {
  const look = open({ lagSeconds: 60 });
  await app.append("a", { type: "A" });
  await app.append("b", { type: "A" });
  await store("update subscriptions set cursor = 2");
  nowMs += 61_000;
  await store(
    `insert into subscription_subjects (subscription, subject, next, attempts)
      select ?1, id, 1, 1 from subjects where log = 0 and name = 'a'`,
    id,
  );
  await look();
  expect(await types()).toEqual([]);
  await store("update subscription_subjects set attempts = 0");
  await look();
  // All of its events up to the cursor are delivered.
  await store("update subscription_subjects set next = 2");
  await look();
  await store(`update subscriptions set batch = '{"positions":[2]}'`);
  await look();
  expect(await types()).toEqual(["subscription.late", "subscription.recovered", "subscription.late"]);
});

test("a subscription that delivers nothing is silent, since its last success or since it was created", async () => {
  const look = open({ silentSeconds: 120 });
  nowMs += 121_000;
  await look();
  const attempt = (ended: number, error: string | null) => ({
    ended,
    webhookId: "1",
    subject: "s",
    error,
    durationMs: 1,
  });
  const attempts = (...list: readonly object[]) =>
    store("insert or replace into subscription_attempts values (?1, ?2)", id, JSON.stringify(list));
  await attempts(attempt(nowMs, "status 500"));
  await look();
  await attempts(attempt(nowMs, null), attempt(nowMs + 1, "status 500"));
  await look();
  nowMs += 121_000;
  await look();
  expect(await types()).toEqual(["subscription.silent", "subscription.recovered", "subscription.silent"]);
});

test("the alarm of a subscription that is removed ends", async () => {
  const look = open({ silentSeconds: 120 });
  nowMs += 121_000;
  await look();
  expect((await app.fetch(`/subscriptions/${id}`, { method: "DELETE" })).status).toBe(204);
  await look();
  await look();
  expect(await types()).toEqual(["subscription.silent", "subscription.removed", "subscription.recovered"]);
});
