import { afterEach, beforeEach, expect, test } from "bun:test";

import type { ConsumerLag } from "../../../src/client/types.ts";
import type { Clock } from "../../../src/core/clock.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import type { Job } from "../../../src/jobs/job.ts";
import { LIST_CONSUMERS_OF_LOGS } from "../../../src/log/consumers/consumers.ts";
import {
  consumerLagJob,
  EXPIRE_LAG,
  FORGET_LAG,
  IS_SAMPLED,
  READ_LAG,
} from "../../../src/log/consumers/lag-history.ts";
import { type Database, integerAt } from "../../../src/storage/database.ts";
import { openApp, type TestApp } from "../../support/app.ts";
import { newDatabase } from "../../support/new-database.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld"]);

const STEP_MS = 300_000;
const HOUR_MS = 3_600_000;

let database: Database;
let app: TestApp;
let nowMs: number;
const clock: Clock = { ...systemClock, now: () => nowMs };
let job: Job;
beforeEach(async () => {
  nowMs = Date.parse("2026-02-01T12:00:00Z");
  database = await newDatabase();
  app = await openApp({ database, clock });
  job = consumerLagJob({ database, writer: app.store.writer, clock });
  await app.append("s", { type: "A" }, { type: "A" }, { type: "A" });
});
afterEach(() => app.close());

async function commit(position: number, name = "cards"): Promise<void> {
  const init = { method: "PUT", body: JSON.stringify({ position }) };
  expect((await app.fetch(`/events/consumers/${name}`, init)).status).toBe(200);
}

const sample = () => job.run({ deadline: 0, signal: new AbortController().signal });
const lag = (name = "cards") => app.get<ConsumerLag>(`/events/consumers/${name}/lag`);

async function rows(): Promise<number> {
  const [row] = await database.read({ sql: "select count(*) from consumer_lag", args: [] });
  return integerAt(row, 0);
}

test("a consumer has a sample for each step, in events and seconds", async () => {
  await commit(1);
  nowMs += STEP_MS;
  await sample();
  await commit(3);
  nowMs += STEP_MS;
  await sample();
  expect(await lag()).toEqual({
    stepSeconds: 300,
    samples: [
      { time: "2026-02-01T12:05:00.000Z", events: 2, seconds: 300 },
      { time: "2026-02-01T12:10:00.000Z", events: 0, seconds: 0 },
    ],
  });
});

test("processes that sample the same step store it once", async () => {
  await commit(1);
  nowMs += STEP_MS;
  await sample();
  await commit(2);
  await Promise.all([
    sample(),
    consumerLagJob({ database, writer: app.store.writer, clock }).run({
      deadline: 0,
      signal: new AbortController().signal,
    }),
  ]);
  expect((await lag()).samples).toHaveLength(1);
});

test("a consumer that is forgotten leaves no samples, and others keep theirs", async () => {
  for (const name of ["cards", "ledger"]) await commit(1, name);
  for (let step = 0; step < 24 * 12; step += 1) {
    nowMs += STEP_MS;
    await sample();
  }
  expect(await rows()).toBe(50);
  expect((await app.fetch("/events/consumers/cards", { method: "DELETE" })).status).toBe(204);
  expect(await rows()).toBe(25);
  expect((await lag("ledger")).samples).toHaveLength(288);
});

test("a day is kept, in one row for each hour, and older samples are deleted", async () => {
  await commit(1);
  for (let step = 0; step < 30 * 12; step += 1) {
    nowMs += STEP_MS;
    await sample();
  }
  const { samples } = await lag();
  expect(samples.length).toBeGreaterThanOrEqual(288);
  expect(samples.length).toBeLessThanOrEqual(289);
  expect(nowMs - Date.parse(samples[0]?.time ?? "")).toBeLessThanOrEqual(24 * HOUR_MS + STEP_MS);
  expect(await rows()).toBeLessThanOrEqual(25);
});

test("a consumer that was forgotten, and commits again, has no samples of before", async () => {
  await commit(1);
  nowMs += STEP_MS;
  await sample();
  await app.fetch("/events/consumers/cards", { method: "DELETE" });
  expect((await app.fetch("/events/consumers/cards/lag")).status).toBe(404);
  nowMs += 2 * STEP_MS;
  await commit(1);
  expect((await lag()).samples).toEqual([]);
});

test("a consumer that only reads is sampled for an hour after its last read", async () => {
  await app.get("/events?limit=1", { "kilde-consumer": "curl" });
  await app.get("/events/consumers/curl");
  for (let step = 0; step < 24; step += 1) {
    nowMs += STEP_MS;
    await sample();
  }
  expect((await lag("curl")).samples.length).toBeLessThanOrEqual(12);
});

test("a store without consumers is not written to", async () => {
  let writes = 0;
  const writer = {
    ...app.store.writer,
    write: (...args: Parameters<typeof app.store.writer.write>) => (
      writes++,
      app.store.writer.write(...args)
    ),
  };
  await consumerLagJob({ database, writer, clock }).run({
    deadline: 0,
    signal: new AbortController().signal,
  });
  expect(writes).toBe(0);
});

test("no statement scans the samples", async () => {
  for (const { sql, args } of [
    { sql: LIST_CONSUMERS_OF_LOGS, args: [0, "", 500] },
    { sql: IS_SAMPLED, args: [1, 1] },
    { sql: EXPIRE_LAG, args: [1] },
    { sql: READ_LAG, args: [1, 25, 0, "a"] },
    { sql: FORGET_LAG, args: [1, 25, 0, "a"] },
  ]) {
    const plan = await database.read({ sql: `explain query plan ${sql}`, args });
    const steps = plan.map((row) => String(row[3]));
    expect({ sql, faults: steps.filter((step) => /SCAN (consumer_lag|lag|consumers)\b/.test(step)) }).toEqual(
      {
        sql,
        faults: [],
      },
    );
  }
});
