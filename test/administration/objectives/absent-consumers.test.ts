import { afterEach, beforeEach, expect, test } from "bun:test";

import type { Clock } from "../../../src/core/clock.ts";
import type { Objective } from "../../../src/core/objective.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { examine } from "../../../src/doctor/doctor.ts";
import type { Database } from "../../../src/storage/database.ts";
import { openApp, type TestApp } from "../../support/app.ts";
import { sketch } from "../../support/feeds.ts";
import { newDatabase } from "../../support/new-database.ts";
import { runsOn } from "../../support/tested-on.ts";
import { ALARMS_QUERY, alarmOf, objective, watcher } from "./objectives.ts";

runsOn(["memory", "sqld"]);

const contact = "#team-cards";
const principal = null;
const SILENT_SECONDS = 3_600;
const CARDS = objective({ kind: "consumer", name: "cards", silentSeconds: SILENT_SECONDS, contact });
const IN_EVENTS = { ...CARDS, log: "/events" };

const ABSENT = "/consumers/cards";
const CONSUMER = "/events/consumers/cards";

let database: Database;
let app: TestApp;
let nowMs: number;
const clock: Clock = { ...systemClock, now: () => nowMs };
beforeEach(async () => {
  nowMs = Date.parse("2026-02-01T12:00:00Z");
  database = await newDatabase();
  app = await openApp({ database, clock, feeds: [sketch({ name: "users" })] });
});
afterEach(async () => {
  expect(await examine(database)).toEqual([]);
  await app.close();
});

const open = (...stated: readonly Objective[]) =>
  watcher({ database, writer: app.store.writer, stated, nowMs: () => nowMs });

const pass = (seconds: number) => {
  nowMs += seconds * 1_000;
};

async function commit(position: number, log = "/events"): Promise<void> {
  const init = { method: "PUT", body: JSON.stringify({ position }) };
  expect((await app.fetch(`${log}/consumers/cards`, init)).status).toBe(200);
}

async function forget(log = "/events"): Promise<void> {
  expect((await app.fetch(`${log}/consumers/cards`, { method: "DELETE" })).status).toBe(204);
}

const alarms = async () => (await app.get(ALARMS_QUERY)).map(alarmOf);
const shortAlarms = async () => (await alarms()).map(([subject, type]) => `${subject} ${type}`);

test("a consumer that has never read any log is silent once, across restarts, until it reads one", async () => {
  await open(CARDS)();
  pass(SILENT_SECONDS);
  await open(CARDS)();
  expect(await alarms()).toEqual([]);
  pass(1);
  // Two nodes that started meanwhile.
  const looks = [open(CARDS), open(CARDS)];
  await Promise.all(looks.map((look) => look()));
  pass(100_000);
  for (const look of [...looks, open(CARDS)]) await look();
  await commit(0);
  pass(2_000);
  for (const look of looks) await look();
  pass(100_000);
  await commit(0);
  for (const look of [...looks, open(CARDS)]) await look();
  expect(await alarms()).toEqual([
    [
      ABSENT,
      "consumer.silent",
      { principal, contact, objectiveSeconds: 3_600, measuredSeconds: 3_601, seen: null },
    ],
    [
      ABSENT,
      "consumer.recovered",
      { principal, from: "silent", contact, objectiveSeconds: 3_600, measuredSeconds: 2_000 },
    ],
  ]);
});

test("an objective that was stated while the clock was ahead counts from the next start", async () => {
  pass(86_400);
  await open(CARDS)();
  pass(-86_400);
  await open(CARDS)();
  pass(SILENT_SECONDS + 1);
  await open(CARDS)();
  expect(await shortAlarms()).toEqual([`${ABSENT} consumer.silent`]);
});

test("an objective without a limit of silence makes no alarm for a consumer that has never read", async () => {
  const look = open({ ...CARDS, silentSeconds: null, lagSeconds: 30 });
  await app.append("s", { type: "A" });
  await look();
  pass(100_000);
  await look();
  expect(await alarms()).toEqual([]);
});

test("an objective that is no longer stated ends the alarm of a consumer that has never read", async () => {
  await open(CARDS)();
  pass(SILENT_SECONDS + 1);
  await open(CARDS)();
  await open()();
  pass(1);
  await open(CARDS)();
  expect(await alarms()).toMatchObject([
    [ABSENT, "consumer.silent", {}],
    [ABSENT, "consumer.recovered", { objectiveSeconds: null, measuredSeconds: null }],
  ]);
});

for (const [form, stated, resource] of [
  ["without a log", CARDS, ABSENT],
  ["with a log", IN_EVENTS, CONSUMER],
] as const)
  test(`a consumer that is forgotten is silent when the time has passed since then (${form})`, async () => {
    const look = open(stated);
    await commit(0);
    await look();
    for (let hour = 0; hour < 100; hour += 1) {
      pass(SILENT_SECONDS);
      await commit(0);
    }
    await look();
    await forget();
    await look();
    pass(SILENT_SECONDS);
    await open(stated)();
    expect(await shortAlarms()).toEqual([`${CONSUMER} consumer.forgotten`]);
    pass(1);
    await open(stated)();
    await look();
    expect((await shortAlarms()).slice(1)).toEqual([`${resource} consumer.silent`]);
  });

test("a consumer that is forgotten while it is late has no measured lag, in the log that its objective names", async () => {
  const look = open({ ...IN_EVENTS, lagSeconds: 30 });
  await app.append("s", { type: "A" });
  await commit(0);
  pass(31);
  await look();
  await forget();
  await look();
  await look();
  const gone = { objectiveSeconds: null, measuredSeconds: null };
  expect((await alarms()).slice(1)).toEqual([
    [CONSUMER, "consumer.forgotten", { principal }],
    [CONSUMER, "consumer.recovered", { principal, from: "late", contact, ...gone }],
  ]);
});

test("an objective that names a log since ends the alarm of a consumer that has never read any", async () => {
  await open(CARDS)();
  pass(SILENT_SECONDS + 1);
  await open(CARDS)();
  await open(IN_EVENTS)();
  pass(SILENT_SECONDS + 1);
  await open(IN_EVENTS)();
  const gone = { objectiveSeconds: null, measuredSeconds: null };
  expect(await alarms()).toMatchObject([
    [ABSENT, "consumer.silent", { seen: null }],
    [ABSENT, "consumer.recovered", gone],
    [CONSUMER, "consumer.silent", { seen: null }],
  ]);
});

test("an objective that names another log gives the consumer time to read that", async () => {
  await open(IN_EVENTS)();
  await commit(0);
  pass(SILENT_SECONDS);
  await commit(0);
  const moved = { ...CARDS, log: "/operations" };
  await open(moved)();
  pass(SILENT_SECONDS);
  await open(moved)();
  expect(await alarms()).toEqual([]);
  pass(1);
  await open(moved)();
  expect(await shortAlarms()).toEqual(["/operations/consumers/cards consumer.silent"]);
});

test("a process that stands still while a consumer is forgotten makes no alarm for the time before", async () => {
  await open(CARDS)();
  await commit(0);
  pass(SILENT_SECONDS + 1);
  await commit(0);
  let forgets = 0;
  const slow: Database = {
    ...database,
    async read(statement) {
      const rows = await database.read(statement);
      if (statement.sql.includes("from objectives order by") && forgets++ === 1) await forget();
      return rows;
    },
  };
  await watcher({ database: slow, writer: app.store.writer, stated: [CARDS], nowMs: () => nowMs })();
  expect(forgets).toBe(2);
  expect(await shortAlarms()).toEqual([`${CONSUMER} consumer.forgotten`]);
});

for (const [how, take] of [
  [
    "commit",
    (name: string) => app.fetch(`/events/consumers/${name}`, { method: "PUT", body: '{"position":0}' }),
  ],
  ["read", (name: string) => app.fetch("/events", { headers: { "Kilde-Consumer": name } })],
] as const)
  test(`a consumer that loses its place to others that ${how} is silent when the time has passed since it was seen`, async () => {
    await app.close();
    database = await newDatabase();
    app = await openApp({ database, clock, limits: { consumers: 4 } });
    const look = open(CARDS);
    // A list has the activity before it.
    const written = () => app.fetch("/events/consumers");
    const read = async () => {
      await app.fetch("/events", { headers: { "Kilde-Consumer": "cards" } });
      await written();
    };
    await read();
    await look();
    for (let hour = 0; hour < 100; hour += 1) {
      pass(SILENT_SECONDS);
      await read();
    }
    pass(1);
    for (const name of ["a", "b", "c", "d", "e"]) {
      await take(name);
      await written();
    }
    expect((await app.fetch("/events/consumers/cards")).status).toBe(404);
    pass(SILENT_SECONDS - 1);
    await look();
    expect(await alarms()).toEqual([]);
    pass(1);
    await look();
    expect(await shortAlarms()).toEqual([`${ABSENT} consumer.silent`]);
  });
