import { afterEach, beforeEach, expect, test } from "bun:test";

import { createClient } from "../../../src/client/client.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import type { Database } from "../../../src/storage/database.ts";
import { jsonPost, openApp, takeEvents, type TestApp } from "../../support/app.ts";
import { eventually } from "../../support/eventually.ts";
import { createTestKey, type TestKey } from "../../support/keys.ts";
import { newDatabase } from "../../support/new-database.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld"]);

/** Calls of the database by one request. */
interface Calls {
  readonly read: string[];
  written: number;
}

let calls: Calls;
let app: TestApp;
/** Timers of the store that have not ended, and end within 10 seconds: those of followers and of their credentials. */
let sleepers: number;

const STREAMS = 2_000;

beforeEach(async () => {
  const database = await newDatabase();
  calls = { read: [], written: 0 };
  const counting: Database = {
    ...database,
    read(statement) {
      calls.read.push(statement.sql);
      return database.read(statement);
    },
    write(statements) {
      calls.written += 1;
      return database.write(statements);
    },
  };
  sleepers = 0;
  const sleep: typeof systemClock.sleep = async (ms, signal) => {
    const counted = ms <= 10_000 ? 1 : 0;
    sleepers += counted;
    await systemClock.sleep(ms, signal);
    sleepers -= counted;
  };
  app = await openApp({
    database: counting,
    clock: { ...systemClock, sleep },
    limits: { followers: STREAMS },
  });
});
afterEach(() => app.close());

type Send = (by: Pick<TestKey, "fetch">) => Promise<Response>;

const REQUESTS: Readonly<Record<string, Send>> = {
  "a poll at the head": ({ fetch }) => fetch("/events?lastEventId=3"),
  "a page": ({ fetch }) => fetch("/events?limit=2"),
  "a stream": ({ fetch }) => fetch("/streams/order-1"),
  "an append": ({ fetch }) => fetch("/streams/order-1", jsonPost({ events: [{ type: "A" }] })),
};

async function callsOf(send: Send, by: Pick<TestKey, "fetch">): Promise<Calls> {
  // The first request fills the caches, and notes the use of the key.
  await (await send(by)).text();
  calls = { read: [], written: 0 };
  const response = await send(by);
  await response.text();
  expect(response.ok).toBe(true);
  return { ...calls, read: [...calls.read] };
}

for (const [name, send] of Object.entries(REQUESTS))
  test(`${name} with a key costs no query more than without one`, async () => {
    for (let count = 1; count <= 3; count += 1) await app.append("order-1", { type: "A" });
    const open = await callsOf(send, app);
    const key = await createTestKey(app, ["read:/events", "append:/streams/order-*"]);
    const closed = await callsOf(send, key);
    expect(closed).toEqual(open);
    expect(closed.read.join("\n")).not.toContain("api_keys");
  });

test("thousands of event streams that end with their key leave no place taken and no timer", async () => {
  await app.append("order-1", { type: "A" });
  const admin = await createTestKey(app, ["admin"]);
  const before = sleepers;
  for (let round = 1; round <= 2; round += 1) {
    const key = await createTestKey(app, ["read:/events"]);
    const streams = await Promise.all(
      Array.from({ length: STREAMS }, () =>
        key.fetch("/events", { headers: { accept: "text/event-stream" } }),
      ),
    );
    expect(new Set(streams.map(({ status }) => status))).toEqual(new Set([200]));
    const taking = streams.map((stream) => takeEvents(stream, 99));
    expect((await admin.fetch("/events", { headers: { accept: "text/event-stream" } })).status).toBe(503);
    expect(sleepers).toBeGreaterThan(before);
    calls = { read: [], written: 0 };
    await app.store.access.revoke(key.id);
    expect(new Set((await Promise.all(taking)).map(({ length }) => length))).toEqual(new Set([1]));
    expect(calls.read.length).toBeLessThan(20);
    await eventually(() => sleepers <= before);
  }
});

test("a client that follows while its keys are rotated gets every event once", async () => {
  const admin = await createTestKey(app, ["admin"]);
  let { id, token } = await createTestKey(app, ["read:/events"]);
  const client = createClient({
    url: "http://kilde.test",
    token: () => token,
    fetch: async (url, init) => {
      const { pathname, search } = new URL(url);
      return app.fetch(`${pathname}${search}`, init);
    },
  });
  const positions: number[] = [];
  const following = client.follow({ lastEventId: 0 });
  const follow = (async () => {
    for await (const { position } of following) if (positions.push(position) === 60) return;
  })();
  for (let round = 1; round <= 6; round += 1) {
    for (let count = 1; count <= 5; count += 1) await admin.append("order-1", { type: "A" });
    const rotation = await app.store.access.rotate(id, { overlapMs: 0 });
    if (rotation.outcome !== "rotated") throw new Error(rotation.outcome);
    ({ token } = rotation);
    ({ id } = rotation.key);
    for (let count = 1; count <= 5; count += 1) await admin.append("order-1", { type: "A" });
    await Bun.sleep(100);
  }
  await follow;
  expect(positions).toEqual(Array.from({ length: 60 }, (_, index) => index + 1));
}, 60_000);
