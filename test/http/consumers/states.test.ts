import { afterEach, beforeEach, expect, test } from "bun:test";

import type { StoreOverview } from "../../../src/client/store-types.ts";
import type { Clock } from "../../../src/core/clock.ts";
import type { Objective } from "../../../src/core/objective.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import type { Database } from "../../../src/storage/database.ts";
import { ALARMS_QUERY, objective, watcher } from "../../administration/objectives/objectives.ts";
import { openApp, type TestApp } from "../../support/app.ts";
import { newDatabase } from "../../support/new-database.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld"]);

let database: Database;
let app: TestApp;
let nowMs: number;
const clock: Clock = { ...systemClock, now: () => nowMs, monotonic: () => nowMs };
beforeEach(async () => {
  nowMs = Date.parse("2026-02-01T12:00:00Z");
  database = await newDatabase();
  app = await openApp({ database, clock });
  await app.append("s", { type: "A" });
});
afterEach(() => app.close());

const pass = (seconds: number) => {
  nowMs += seconds * 1_000;
};

const open = (...stated: readonly Objective[]) =>
  watcher({ database, writer: app.store.writer, stated, nowMs: () => nowMs });

interface Shown {
  readonly consumer: string;
  readonly state: string;
}

async function commit(name: string, position: number, log = "/events"): Promise<string> {
  const init = { method: "PUT", body: JSON.stringify({ position }) };
  const answer = await app.fetch(`${log}/consumers/${name}`, init);
  expect(answer.status).toBe(200);
  return ((await answer.json()) as Shown).state;
}

/** The states of consumers by name, as all answers of the server show them: they must agree. */
async function states(log = "/events"): Promise<Record<string, string>> {
  const { consumers } = await app.get<{ consumers: Shown[] }>(`${log}/consumers`);
  const shown = Object.fromEntries(consumers.map(({ consumer, state }) => [consumer, state]));
  const counts: Record<string, number> = {};
  for (const [name, state] of Object.entries(shown)) {
    expect((await app.get<Shown>(`${log}/consumers/${name}`)).state).toBe(state);
    const found = await app.get<{ consumers: Shown[] }>(`${log}/consumers?state=${state}`);
    expect(found.consumers.map(({ consumer }) => consumer)).toContain(name);
    counts[state] = (counts[state] ?? 0) + 1;
  }
  const metrics = await (await app.fetch("/metrics")).text();
  const inMetrics = [
    ...metrics.matchAll(/^kilde_consumer_state\{consumer="(.+)",source="(.+)",state="(.+)"\} 1$/gm),
  ];
  expect(
    Object.fromEntries(inMetrics.filter(([, , of]) => of === log).map(([, name, , state]) => [name, state])),
  ).toEqual(shown);
  return shown;
}

async function overview(): Promise<StoreOverview> {
  pass(0.001);
  return app.get<StoreOverview>("/overview");
}

/** The alarms of consumers that are open. */
async function openAlarms(): Promise<string[]> {
  const found = new Set<string>();
  for (const { subject, type, data } of await app.get(ALARMS_QUERY)) {
    const { from } = data as { readonly from?: string };
    if (from === undefined) found.add(`${subject} ${type.replace("kilde.consumer.", "")}`);
    else found.delete(`${subject} ${from}`);
  }
  return [...found].toSorted();
}

test("a consumer with an objective is late and silent by that, and others by the limits of all", async () => {
  const look = open(
    objective({ kind: "consumer", name: "strict", lagSeconds: 10, silentSeconds: 120 }),
    objective({ kind: "consumer", name: "patient", lagSeconds: 3_600, silentSeconds: 7_200 }),
    objective({ kind: "consumer", name: "elsewhere", log: "/operations", lagSeconds: 3_600 }),
  );
  await look();
  for (const name of ["strict", "patient", "elsewhere", "plain"]) await commit(name, 0);
  const rest = (state: string) => ({ elsewhere: state, patient: "keeps-up", plain: state });
  pass(11);
  await look();
  expect(await states()).toEqual({ strict: "late", ...rest("keeps-up") });
  expect(await openAlarms()).toEqual(["/events/consumers/strict late"]);
  pass(50);
  await look();
  expect(await states()).toEqual({ strict: "late", ...rest("late") });
  pass(60);
  await look();
  expect(await states()).toEqual({ strict: "silent", ...rest("late") });
  pass(180);
  await look();
  expect(await states()).toEqual({ strict: "silent", ...rest("silent") });
  expect((await overview()).consumers).toEqual({ "keeps-up": 1, late: 0, blocked: 0, silent: 3 });
  pass(7_200);
  await look();
  expect(await states()).toEqual({ strict: "silent", ...rest("silent"), patient: "silent" });
  expect(await openAlarms()).toEqual([
    "/events/consumers/patient late",
    "/events/consumers/patient silent",
    "/events/consumers/strict late",
    "/events/consumers/strict silent",
  ]);
});

test("a consumer is late for as long as its alarm is open", async () => {
  const look = open(objective({ kind: "consumer", name: "cards", lagSeconds: 60 }));
  await look();
  await commit("cards", 0);
  pass(20);
  await app.append("s", { type: "A" });
  pass(41);
  // No process has looked since.
  expect([await states(), await openAlarms()]).toEqual([{ cards: "keeps-up" }, []]);
  await look();
  // Its lag is 41 seconds: less than the objective, and more than half of it.
  expect(await commit("cards", 1)).toBe("late");
  await look();
  expect([await states(), await openAlarms()]).toEqual([{ cards: "late" }, ["/events/consumers/cards late"]]);
  await commit("cards", 2);
  await look();
  expect([await states(), await openAlarms()]).toEqual([{ cards: "keeps-up" }, []]);
});

test("a value that the objective leaves open has the limit of all consumers", async () => {
  const look = open(objective({ kind: "consumer", name: "cards", silentSeconds: 7_200 }));
  await look();
  await commit("cards", 0);
  pass(61);
  await look();
  expect([await states(), await openAlarms()]).toEqual([{ cards: "late" }, []]);
});

test("an objective that is no longer stated leaves the limits of all consumers", async () => {
  await commit("cards", 0);
  pass(11);
  await open(objective({ kind: "consumer", name: "cards", lagSeconds: 10 }))();
  expect(await states()).toEqual({ cards: "late" });
  await open()();
  expect([await states(), await openAlarms()]).toEqual([{ cards: "keeps-up" }, []]);
});

test("a consumer that never commits counts as silent in the overview if it has an objective", async () => {
  const look = open(objective({ kind: "consumer", name: "reader", silentSeconds: 120, contact: "#old" }));
  await look();
  for (const name of ["reader", "stranger"]) await app.get("/events", { "kilde-consumer": name });
  await states();
  pass(301);
  await look();
  expect(await states()).toEqual({ reader: "silent", stranger: "silent" });
  // The contact of the objective was renamed since.
  await open(objective({ kind: "consumer", name: "reader", silentSeconds: 120, contact: "#new" }))();
  const { consumers, problems } = await overview();
  expect([consumers.silent, problems.map(({ kind, contact }) => [kind, contact])]).toEqual([
    1,
    [["consumer-silent", "#new"]],
  ]);
});
