import { afterEach, beforeEach, expect, test } from "bun:test";

import type { Objective } from "../../../src/core/objective.ts";
import type { Clock } from "../../../src/core/clock.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { examine } from "../../../src/doctor/doctor.ts";
import type { Database } from "../../../src/storage/database.ts";
import { openApp, type TestApp } from "../../support/app.ts";
import { newDatabase } from "../../support/new-database.ts";
import { runsOn } from "../../support/tested-on.ts";
import { ALARMS_QUERY, alarmOf, objective, watcher } from "./objectives.ts";

runsOn(["memory", "sqld"]);

const CARDS = objective({
  kind: "consumer",
  name: "cards",
  lagSeconds: 30,
  silentSeconds: 3_600,
  contact: "#team-cards",
});

let database: Database;
let app: TestApp;
let nowMs: number;
const clock: Clock = { ...systemClock, now: () => nowMs };
beforeEach(async () => {
  nowMs = Date.parse("2026-02-01T12:00:00Z");
  database = await newDatabase();
  app = await openApp({ database, clock });
});
afterEach(async () => {
  expect(await examine(database)).toEqual([]);
  await app.close();
});

const open = (...stated: readonly Objective[]) =>
  watcher({ database, writer: app.store.writer, stated, nowMs: () => nowMs });

/** A process that stands still after each of its reads, also after that of the time. Then `pause` runs. */
function openSlow(pause: () => Promise<void>, ...stated: readonly Objective[]) {
  const slowly = async <Value>(value: Value) => {
    await pause();
    return value;
  };
  return watcher({
    database: { ...database, read: async (statement) => slowly(await database.read(statement)) },
    writer: app.store.writer,
    stated,
    nowMs: () => slowly(nowMs),
  });
}

async function commit(position: number, name = "cards", log = "/events"): Promise<void> {
  const init = { method: "PUT", body: JSON.stringify({ position }) };
  expect((await app.fetch(`${log}/consumers/${name}`, init)).status).toBe(200);
}

const alarms = async () => (await app.get(ALARMS_QUERY)).map(alarmOf);

const CONSUMER = "/events/consumers/cards";
const principal = null;
const contact = "#team-cards";

test("a consumer that lacks an event for too long is late once, and recovers when it has come close", async () => {
  const look = open(CARDS);
  await app.append("s", { type: "A" });
  await commit(0);
  nowMs += 30_000;
  await look();
  expect(await alarms()).toEqual([]);
  nowMs += 1_000;
  await look();
  await look();
  nowMs += 60_000;
  await look();
  await commit(1);
  await look();
  await look();
  expect(await alarms()).toEqual([
    [CONSUMER, "consumer.late", { principal, contact, objectiveSeconds: 30, measuredSeconds: 31 }],
    [
      CONSUMER,
      "consumer.recovered",
      { principal, from: "late", contact, objectiveSeconds: 30, measuredSeconds: 0 },
    ],
  ]);
});

test("a lag that moves around its limit makes one alarm", async () => {
  const look = open(CARDS);
  await commit(0);
  for (let position = 1; position <= 20; position += 1) {
    // The consumer commits the event before whenever this one is 20 seconds old.
    await app.append("s", { type: "A" });
    nowMs += 31_000;
    await look();
    await app.append("s", { type: "A" });
    await commit(2 * position - 1);
    nowMs += 20_000;
    await look();
    await commit(2 * position);
  }
  expect((await alarms()).map(([, type]) => type)).toEqual(["consumer.late"]);
});

test("a consumer that neither reads nor commits is silent, also when it lacks nothing", async () => {
  const look = open(CARDS);
  await app.append("s", { type: "A" });
  await commit(1);
  const seen = new Date(nowMs).toISOString();
  nowMs += 3_601_000;
  await look();
  await commit(1);
  await look();
  expect(await alarms()).toEqual([
    [
      CONSUMER,
      "consumer.silent",
      { principal, contact, objectiveSeconds: 3_600, measuredSeconds: 3_601, seen },
    ],
    [
      CONSUMER,
      "consumer.recovered",
      { principal, from: "silent", contact, objectiveSeconds: 3_600, measuredSeconds: 0 },
    ],
  ]);
});

test("an objective counts in each log that the consumer reads", async () => {
  const look = open(CARDS);
  await app.append("s", { type: "A" });
  await commit(0);
  await commit(0, "cards", "/operations");
  nowMs += 31_000;
  await look();
  nowMs += 3_600_000;
  await look();
  expect((await alarms()).map(([subject, type]) => `${subject} ${type}`)).toEqual([
    "/events/consumers/cards consumer.late",
    "/events/consumers/cards consumer.silent",
    "/operations/consumers/cards consumer.late",
    "/operations/consumers/cards consumer.silent",
  ]);
});

test("an objective that names a log counts there alone, and for a consumer that has never read", async () => {
  const look = open({ ...CARDS, log: "/events" });
  await commit(0, "cards", "/operations");
  await look();
  nowMs += 3_601_000;
  await look();
  await look();
  await commit(0);
  await look();
  expect((await alarms()).map(([subject, type]) => `${subject} ${type}`)).toEqual([
    "/events/consumers/cards consumer.silent",
    "/events/consumers/cards consumer.recovered",
  ]);
});

test("a consumer that is deleted ends its alarms, and does not repeat them", async () => {
  const look = open(CARDS);
  await app.append("s", { type: "A" });
  await commit(0);
  nowMs += 31_000;
  await look();
  await app.fetch(CONSUMER, { method: "DELETE" });
  await look();
  await look();
  expect((await alarms()).slice(1)).toEqual([
    [CONSUMER, "consumer.forgotten", { principal }],
    [
      CONSUMER,
      "consumer.recovered",
      { principal, from: "late", contact, objectiveSeconds: null, measuredSeconds: null },
    ],
  ]);
});

test("a process that states other objectives replaces those of the store, and ends their alarms", async () => {
  const look = open(CARDS);
  await app.append("s", { type: "A" });
  await commit(0);
  await commit(0, "loans");
  nowMs += 31_000;
  await look();
  const lookOfNext = open({ ...CARDS, name: "loans", contact: "#team-loans" });
  await lookOfNext();
  // The earlier process still runs.
  await look();
  await lookOfNext();
  expect((await alarms()).map(([subject, type]) => `${subject} ${type}`)).toEqual([
    "/events/consumers/cards consumer.late",
    "/events/consumers/cards consumer.recovered",
    "/events/consumers/loans consumer.late",
  ]);
});

test("a process without objectives of its own looks at those of the store", async () => {
  await app.append("s", { type: "A" });
  await commit(0);
  await open(CARDS)();
  nowMs += 31_000;
  await watcher({ database, writer: app.store.writer, stated: null, nowMs: () => nowMs })();
  expect((await alarms()).map(([, type]) => type)).toEqual(["consumer.late"]);
  await open()();
  expect((await alarms()).map(([, type]) => type)).toEqual(["consumer.late", "consumer.recovered"]);
});

test("a limit that is raised ends the alarm", async () => {
  await app.append("s", { type: "A" });
  await commit(0);
  nowMs += 31_000;
  await open(CARDS)();
  await open({ ...CARDS, lagSeconds: 300 })();
  expect((await alarms()).at(-1)?.[2]).toEqual({
    principal,
    from: "late",
    contact,
    objectiveSeconds: 300,
    measuredSeconds: 31,
  });
});

test("a process that stands still while it looks makes no alarm for a consumer that keeps up", async () => {
  let head = 0;
  const look = openSlow(
    async () => {
      for (let times = 0; times < 2; times += 1) {
        nowMs += 20_000;
        await commit(head);
        head = (await app.append("s", { type: "A" })).position;
      }
    },
    { ...CARDS, silentSeconds: 30 },
  );
  await commit(0);
  await look();
  await look();
  expect(await alarms()).toEqual([]);
});

test("a process that stands still while it looks does not end the alarm that another one makes meanwhile", async () => {
  const other = open(CARDS);
  const look = openSlow(async () => {
    nowMs += 3_601_000;
    await other();
  }, CARDS);
  await app.append("s", { type: "A" });
  await commit(0);
  await look();
  await look();
  expect((await alarms()).map(([, type]) => type)).toEqual(["consumer.late", "consumer.silent"]);
});
