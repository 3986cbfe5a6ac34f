import { afterEach, beforeEach, expect, test } from "bun:test";

import { systemClock } from "../../../src/core/system-clock.ts";
import type { Database } from "../../../src/storage/database.ts";
import { openDatabase } from "../../../src/storage/open.ts";
import { jsonPost, openApp, type TestApp } from "../../support/app.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory"]);

const KEYS_SECONDS = 600;
const EXPIRED_MS = 2 * KEYS_SECONDS * 1_000;

let passedMs: number;
let database: Database;
let app: TestApp;
const clock = {
  ...systemClock,
  now: () => Date.now() + passedMs,
  monotonic: () => systemClock.monotonic() + passedMs,
};

beforeEach(async () => {
  passedMs = 0;
  database = openDatabase({ url: ":memory:" });
  app = await openApp({ database, clock, limits: { idempotencySeconds: KEYS_SECONDS } });
});
afterEach(() => app.close());

async function append(key: string): Promise<number> {
  const body = { events: [{ type: "Counted" }] };
  return (await app.fetch("/streams/s", jsonPost(body, { "idempotency-key": key }))).status;
}

async function keysLike(pattern: string): Promise<number> {
  const sql = "select count(*) from idempotency where key like ?";
  const [row] = await database.read({ sql, args: [pattern] });
  return Number(row?.[0]);
}

test("the append after a pause forgets keys that have expired, and one of them may be used again", async () => {
  for (let n = 0; n < 10; n += 1) await append(`old-${n}`);
  passedMs += EXPIRED_MS;
  const other = jsonPost({ events: [{ type: "Other" }] }, { "idempotency-key": "old-3" });
  const again = await app.fetch("/streams/s", other);
  expect([again.status, again.headers.get("idempotency-replayed")]).toEqual([201, null]);
  expect(await keysLike("%old-%")).toBe(1);
});

async function appendAll(name: string, count: number): Promise<number> {
  const entries = Array.from({ length: count }, (_, n) => ({
    stream: `s-${n}`,
    events: [{ type: "Counted" }],
    idempotencyKey: `${name}-${n}`,
  }));
  return (await app.fetch("/appends", jsonPost(entries))).status;
}

test("requests with many appends each forget expired keys faster than they add keys", async () => {
  for (let n = 0; n < 4; n += 1) expect(await appendAll(`old-${n}`, 1_000)).toBe(200);
  passedMs += EXPIRED_MS;
  for (let n = 0; n < 3; n += 1) expect(await appendAll(`new-${n}`, 1_000)).toBe(200);
  expect([await keysLike("%old-%"), await keysLike("%new-%")]).toEqual([0, 3_000]);
});

test("many appends, one after the other, forget expired keys faster than they add keys", async () => {
  expect(await appendAll("old", 400)).toBe(200);
  passedMs += EXPIRED_MS;
  for (let n = 0; n < 201; n += 1) expect(await append(`new-${n}`)).toBe(201);
  expect([await keysLike("%old-%"), await keysLike("%new-%")]).toEqual([0, 201]);
});
