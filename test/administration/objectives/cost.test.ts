import { afterEach, beforeEach, expect, test } from "bun:test";

import { SELECT_CONSUMER_ALARMS } from "../../../src/administration/objectives/consumer-alarms.ts";
import { KEEP_LAST_SEEN } from "../../../src/administration/objectives/keep-last-seen.ts";
import { RESTART_SILENCE } from "../../../src/administration/objectives/restart-silence.ts";
import { MEASURE_FEEDS } from "../../../src/feeds/lifecycle/measured-feeds.ts";
import { registerFeeds } from "../../../src/feeds/lifecycle/register.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { FIND_RETIRED_LOGS } from "../../../src/feeds/lifecycle/retired-logs.ts";
import { MEASURE_CONSUMERS } from "../../../src/log/consumers/measured-consumers.ts";
import type { Database } from "../../../src/storage/database.ts";
import { MEASURE_SUBSCRIPTIONS } from "../../../src/webhooks/subscriptions/measured-subscriptions.ts";
import { jsonPost, openApp, type TestApp } from "../../support/app.ts";
import { sketch } from "../../support/feeds.ts";
import { newDatabase } from "../../support/new-database.ts";
import { runsOn } from "../../support/tested-on.ts";
import { countingCalls, objective, watcher } from "./objectives.ts";

runsOn(["memory", "sqld"]);

const FEEDS = [sketch({ name: "orders" }), sketch({ name: "users" })];

let database: Database;
let app: TestApp;
beforeEach(async () => {
  database = await newDatabase();
  app = await openApp({ database, feeds: FEEDS });
  await app.append("s", { type: "A" }, { type: "A" });
});
afterEach(() => app.close());

async function subscribe(): Promise<string> {
  const body = { source: "/events", url: "https://hooks.example.org/kilde", start: "beginning" };
  const made = await app.fetch("/subscriptions", jsonPost(body));
  return ((await made.json()) as { subscription: string }).subscription;
}

async function commit(name: string): Promise<void> {
  const init = { method: "PUT", body: JSON.stringify({ position: 0 }) };
  expect((await app.fetch(`/events/consumers/${name}`, init)).status).toBe(200);
}

test("a look takes as many queries for many objectives as for one of each kind, and writes only changes", async () => {
  const registered = await registerFeeds(database, systemClock, FEEDS);
  const counted = countingCalls(database);
  let nowMs = Date.now();
  const stated = [];
  const used = { reads: [] as number[], writes: [] as number[] };
  for (const count of [1, 20]) {
    for (let index = 0; index < count; index += 1) {
      const name = `c-${count}-${index}`;
      await commit(name);
      stated.push(
        objective({ kind: "consumer", name, lagSeconds: 3_600, silentSeconds: 3_600 }),
        objective({ kind: "consumer", name: `${name}-in-log`, log: "/events", lagSeconds: 3_600 }),
        objective({ kind: "subscription", name: await subscribe(), lagSeconds: 3_600, silentSeconds: 3_600 }),
      );
    }
    const feeds = FEEDS.slice(0, count).map(({ path: name }) =>
      objective({ kind: "feed", name, lagSeconds: 3_600 }),
    );
    const look = watcher(
      {
        database: counted.database,
        writer: app.store.writer,
        stated: [...stated, ...feeds],
        nowMs: () => nowMs,
      },
      registered,
    );
    await look();
    counted.calls.reads = 0;
    await look();
    used.reads.push(counted.calls.reads);
  }
  expect(used.reads).toEqual([5, 5]);
  const written: number[] = [];
  const writer = {
    write(...args: Parameters<TestApp["store"]["writer"]["write"]>) {
      written.push(args[0].length);
      return app.store.writer.write(...args);
    },
  };
  const look = watcher({ database, writer, stated: null, nowMs: () => nowMs }, registered);
  await look();
  expect(written).toHaveLength(0);
  nowMs += 3_601_000;
  await look();
  await look();
  expect(written).toHaveLength(1);
});

test("a store without objectives is read twice, and not written to", async () => {
  const counted = countingCalls(database);
  const look = watcher({
    database: counted.database,
    writer: { write: () => Promise.reject(new Error("nothing is to be written")) },
    stated: null,
    nowMs: () => 0,
  });
  await look();
  expect(counted.calls).toEqual({ reads: 2, writes: 0 });
});

test("the queries that measure search by key, and scan nothing but the stated objectives", async () => {
  for (const { sql, args } of [
    { sql: MEASURE_CONSUMERS, args: ['["a"]', '[["/events","a"]]'] },
    { sql: SELECT_CONSUMER_ALARMS.all, args: [] },
    { sql: SELECT_CONSUMER_ALARMS.one, args: ["a"] },
    { sql: RESTART_SILENCE, args: [0, "/events", "2026", null] },
    { sql: KEEP_LAST_SEEN, args: [0, 1_000, "a"] },
    { sql: FIND_RETIRED_LOGS, args: ['["/events"]'] },
    { sql: MEASURE_FEEDS, args: ["[[1, 0]]"] },
    { sql: MEASURE_SUBSCRIPTIONS, args: ['["a"]'] },
  ]) {
    const plan = await database.read({ sql: `explain query plan ${sql}`, args });
    const steps = plan.map((row) => String(row[3]));
    const faults = steps.filter((step) =>
      /TEMP|SCAN (?!wanted|pending|place|attempt\b|CONSTANT ROW)/.test(step),
    );
    expect({ sql, faults }).toEqual({ sql, faults: [] });
  }
});
