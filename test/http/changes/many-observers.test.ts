import { expect, test } from "bun:test";

import type { Clock } from "../../../src/core/clock.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { changeWatchOf } from "../../../src/http/changes/change-watch.ts";
import type { StoreSnapshot } from "../../../src/http/changes/snapshot.ts";
import { changesMessage, type Sight } from "../../../src/http/changes/visible-changes.ts";
import type { Database } from "../../../src/storage/database.ts";
import { SELECT_MARKS, type SubscriptionMark } from "../../../src/webhooks/subscriptions/marks.ts";
import { openApp } from "../../support/app.ts";
import { eventually } from "../../support/eventually.ts";
import { newDatabase } from "../../support/new-database.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory"]);

const SUBSCRIPTIONS = 100;

function snapshotOf(mark: string, subscriptions: ReadonlyMap<string, SubscriptionMark>): StoreSnapshot {
  const logs = new Map([["/events", mark.length]]);
  return { identity: "i", operations: 0, keys: 0, consumers: new Map(), logs, subscriptions };
}

function marked(mark: string, count = SUBSCRIPTIONS): [string, SubscriptionMark][] {
  return Array.from({ length: count }, (_, n) => [
    `sub_${n}`,
    { id: `sub_${n}`, source: "/events", subjectPrefix: n % 2 === 0 ? "a" : "b", mark },
  ]);
}

function sightOn(prefix: string): Sight {
  return {
    key: prefix,
    seesLog: () => true,
    seesConsumersOf: () => false,
    seesSubscription: ({ subjectPrefix }) => subjectPrefix === prefix,
    seesOperations: false,
    seesKeys: false,
  };
}

test("streams compare two snapshots once, and those that see the same share a message", () => {
  let compared = 0;
  class CountedMap extends Map<string, SubscriptionMark> {
    override values() {
      compared += 1;
      return super.values();
    }
  }
  const before = snapshotOf("x", new Map(marked("x")));
  const now = snapshotOf("xx", new CountedMap([...marked("xx", 2), ...marked("x").slice(2)]));
  const sights = Array.from({ length: 1_000 }, (_, n) => sightOn(n % 2 === 0 ? "a" : "b"));
  const sent = sights.map((sight) => changesMessage(before, now, sight));
  expect(compared).toBe(1);
  expect(new Set(sent.map((message) => message?.bytes)).size).toBe(2);
  expect(sent.filter((message) => message?.shared === false)).toHaveLength(2);
  const texts = sent.slice(0, 2).map((message) => new TextDecoder().decode(message?.bytes));
  expect(texts[0]).toContain('"subscriptions":["sub_0"]');
  expect(texts[1]).toContain('"subscriptions":["sub_1"]');
  expect(changesMessage(now, now, sightOn("a"))).toBeNull();
});

test("observers whose calls take long are called for a tenth of the time, and subscriptions are read for a hundredth", async () => {
  const database = await newDatabase();
  const app = await openApp({ database });
  let nowMs = 0;
  const clock: Clock = {
    ...systemClock,
    monotonic: () => nowMs,
    async sleep(milliseconds) {
      nowMs += milliseconds;
      // Each look finds a change.
      await app.append("s", { type: "A" });
    },
  };
  let reads = 0;
  const counting: Database = {
    ...database,
    read(statement) {
      if (statement.sql === SELECT_MARKS) reads += 1;
      return database.read(statement);
    },
  };
  let calls = 0;
  const { reader } = app.store;
  const operations = { reader: () => Promise.resolve(reader) };
  const deps = { reader, feeds: { all: [] }, operations, database: counting, clock };
  const stop = changeWatchOf(deps).observe(() => {
    calls += 1;
    nowMs += 500;
  });
  await eventually(() => calls >= 30);
  stop();
  expect(500 * calls).toBeLessThanOrEqual(nowMs / 10 + 500);
  expect(reads).toBeLessThanOrEqual(1 + nowMs / 50_000);
  await app.close();
});
