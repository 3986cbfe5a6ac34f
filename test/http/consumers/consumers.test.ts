import { ADVANCED_TO, COMMIT_CONSUMER } from "../../../src/log/consumers/commit-consumer.ts";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import {
  ACTIVE_CONSUMERS,
  FIND_CONSUMER,
  LIST_CONSUMERS,
  RECORD_NEW_CONSUMERS,
  RECORD_ACTIVITY,
} from "../../../src/log/consumers/consumers.ts";
import type { Database, Row } from "../../../src/storage/database.ts";
import { eventually } from "../../support/eventually.ts";
import { openApp, type Problem, takeEvents, type TestApp } from "../../support/app.ts";
import { newDatabase } from "../../support/new-database.ts";
import { runsOn, testInProcess } from "../../support/tested-on.ts";

runsOn(["memory", "sqld", "worker"]);

interface Consumer {
  readonly consumer: string;
  readonly committed: number | null;
  readonly sent: number | null;
  readonly lag: { readonly events: number; readonly seconds: number };
  readonly active: boolean;
  readonly state: string;
  readonly blocked: number;
  readonly failure: unknown;
}

let database: Database;
let app: TestApp;
beforeEach(async () => {
  database = await newDatabase();
  app = await openApp({ database, limits: { consumers: 3 } });
  for (let n = 0; n < 4; n += 1) await app.append(`s-${n % 2}`, { type: "A", data: n });
});
afterEach(() => app.close());

const cards = { "kilde-consumer": "cards" };
const listed = async () => (await app.get<{ consumers: Consumer[] }>("/events/consumers")).consumers;
const one = (name = "cards") => app.get<Consumer>(`/events/consumers/${name}`);

function commit(body: unknown, name = "cards"): Promise<Response> {
  return app.fetch(`/events/consumers/${name}`, { method: "PUT", body: JSON.stringify(body) });
}

async function problemOf(response: Response): Promise<Problem> {
  return (await response.json()) as Problem;
}

describe("a reader that names itself", () => {
  test("is seen by pages, as far as they were sent", async () => {
    await app.get("/events?limit=2", cards);
    expect(await one()).toMatchObject({ committed: null, sent: 2, lag: { events: 2 }, active: true });
    expect((await one()).lag.seconds).toBeGreaterThanOrEqual(0);
    await app.get("/events?lastEventId=2", cards);
    expect(await one()).toMatchObject({ sent: 4, lag: { events: 0, seconds: 0 } });
    // A filter passes over the rest.
    await app.append("s-0", { type: "B" });
    await app.get("/events?lastEventId=4&type=A", cards);
    expect(await one()).toMatchObject({ sent: 5 });
  });

  testInProcess("is seen by event streams and long-polls", async () => {
    const stream = await app.fetch("/events?lastEventId=1", {
      headers: { ...cards, accept: "text/event-stream" },
    });
    await takeEvents(stream, 3);
    expect(await one()).toMatchObject({ sent: 4 });
    const polled = app.get("/events?lastEventId=4&timeout=5000", { "kilde-consumer": "mails" });
    await app.append("s-0", { type: "A" });
    await polled;
    expect(await one("mails")).toMatchObject({ sent: 5 });
  });

  test("reading one stream does not move a consumer of the log, and reading again from the start does", async () => {
    await app.get("/streams/s-0", cards);
    // Each stream is complete when it is read: a reader of streams lacks nothing.
    expect(await one()).toMatchObject({ sent: null, lag: { events: 0, seconds: 0 }, state: "keeps-up" });
    await app.get("/events", cards);
    await one();
    await Bun.sleep(2);
    await app.get("/events?limit=1", cards);
    expect(await one()).toMatchObject({ sent: 1 });
  });

  test("is seen through several processes", async () => {
    const elsewhere = await openApp({ database });
    await app.get("/events", cards);
    await one();
    await Bun.sleep(2);
    await elsewhere.get("/events?limit=3", cards);
    await elsewhere.get("/events/consumers");
    expect(await one()).toMatchObject({ sent: 3 });
  });

  testInProcess("is seen without a write for each request", async () => {
    let writes = 0;
    const counting = await openApp({
      database: {
        ...database,
        write(statements) {
          writes += 1;
          return database.write(statements);
        },
      },
      limits: { consumers: 10_000 },
    });
    const before = writes;
    for (let n = 0; n < 500; n += 1) await counting.get("/events?limit=1", { "kilde-consumer": `c-${n}` });
    expect(writes - before).toBeLessThan(5);
    const { consumers } = await counting.get<{ consumers: Consumer[] }>("/events/consumers?limit=1000");
    expect(consumers).toHaveLength(500);
  });
});

describe("recorded activity", () => {
  /** A surface whose writes go through `pass`. */
  const passing = (
    pass: (write: () => Promise<readonly (readonly Row[])[]>) => Promise<readonly (readonly Row[])[]>,
  ) =>
    openApp({
      database: { ...database, write: (statements) => pass(() => database.write(statements)) },
    });
  const seenBy = async (other: TestApp) =>
    (await other.get<{ consumers: Consumer[] }>("/events/consumers")).consumers;

  testInProcess("is written later when it could not be written", async () => {
    let isFailing = false;
    const failing = await passing((write) =>
      isFailing ? Promise.reject(new Error("the disk is full")) : write(),
    );
    isFailing = true;
    await failing.get("/events", cards);
    await failing.get("/events?limit=1", { "kilde-consumer": "mails" });
    expect(await seenBy(failing)).toEqual([]);
    await failing.get("/events?limit=2", { "kilde-consumer": "mails" });
    isFailing = false;
    expect(await seenBy(failing)).toMatchObject([
      { consumer: "cards", sent: 4 },
      { consumer: "mails", sent: 2 },
    ]);
  });

  testInProcess("is complete in a list, which waits for the write that is under way", async () => {
    let underWay = Promise.withResolvers<void>();
    let gate = Promise.resolve();
    const slow = await passing(async (write) => {
      underWay.resolve();
      await gate;
      return write();
    });
    await slow.get("/events", cards);
    const opened = Promise.withResolvers<void>();
    gate = opened.promise;
    underWay = Promise.withResolvers();
    const first = seenBy(slow);
    await underWay.promise;
    const second = seenBy(slow);
    await Bun.sleep(20);
    opened.resolve();
    expect(await second).toMatchObject([{ consumer: "cards", sent: 4 }]);
    await first;
  });
});

test("a committed position counts for lag, and moves back only when that is meant", async () => {
  await app.get("/events", cards);
  expect(await (await commit({ position: 3 })).json()).toMatchObject({
    committed: 3,
    sent: 4,
    lag: { events: 1 },
  });
  const refused = await commit({ position: 1 });
  expect(refused.status).toBe(409);
  expect(await problemOf(refused)).toMatchObject({ type: "/problems/cursor-moved-back", position: 3 });
  expect((await commit({ position: 3 })).status).toBe(200);
  expect(await (await commit({ position: 1, rewind: true })).json()).toMatchObject({ committed: 1 });
});

test("consumers are listed by name, and can be forgotten", async () => {
  await commit({ position: 1 }, "b");
  await commit({ position: 1 }, "a%2Fx");
  expect((await listed()).map(({ consumer }) => consumer)).toEqual(["a/x", "b"]);
  const page = await app.get<{ consumers: Consumer[] }>("/events/consumers?limit=1&cursor=a/x");
  expect(page.consumers.map(({ consumer }) => consumer)).toEqual(["b"]);
  expect((await app.get<{ consumers: Consumer[] }>("/events/consumers?prefix=a")).consumers).toHaveLength(1);
  expect((await app.fetch("/events/consumers/b", { method: "DELETE" })).status).toBe(204);
  const gone = await app.fetch("/events/consumers/b", { method: "DELETE" });
  expect(await problemOf(gone)).toMatchObject({ type: "/problems/consumer-not-found", status: 404 });
});

test("invalid names and commits are refused, and nothing is stored", async () => {
  const named = await app.fetch("/events", { headers: { "kilde-consumer": "a%00b" } });
  expect(await problemOf(named)).toMatchObject({ type: "/problems/invalid-parameter" });
  expect(await problemOf(await commit({ position: 99 }))).toMatchObject({
    type: "/problems/cursor-beyond-head",
    head: 4,
  });
  for (const body of [{}, { position: -1 }, { position: "1" }, { position: 1, more: 2 }, []]) {
    expect((await commit(body)).status).toBe(422);
  }
  expect(await listed()).toEqual([]);
  for (const name of ["a", "b", "c"]) await commit({ position: 1 }, name);
  expect(await problemOf(await commit({ position: 1 }, "d"))).toMatchObject({
    type: "/problems/limit-exceeded",
    limit: "consumers",
  });
  expect((await commit({ position: 2 }, "c")).status).toBe(200);
});

test("a flood of invented names forgets neither who committed nor who keeps reading, and keeps the limit", async () => {
  await commit({ position: 2 }, "committed");
  for (let turn = 0; turn < 5; turn += 1) {
    await app.get("/events", { "kilde-consumer": "reader" });
    await listed();
    for (let n = 0; n < 40; n += 1) {
      await app.get("/events?limit=1", { "kilde-consumer": `invented-${turn}-${n}` });
    }
    await app.get("/events", { "kilde-consumer": "reader" });
    const names = (await listed()).map(({ consumer }) => consumer);
    expect(names.length).toBeLessThanOrEqual(3);
    expect(names).toContain("committed");
    expect(names).toContain("reader");
  }
  // A consumer that commits matters, and gets a place.
  expect((await commit({ position: 1 }, "new")).status).toBe(200);
  expect((await commit({ position: 1 }, "newer")).status).toBe(200);
  expect((await listed()).map(({ consumer }) => consumer)).toEqual(["committed", "new", "newer"]);
});

test("thousands of invented names cost few rows and few writes, and appends continue meanwhile", async () => {
  const flooded = await openApp({ database, limits: { consumers: 100 } });
  const started = performance.now();
  for (let n = 0; n < 3_000; n += 1) {
    await flooded.get("/events?limit=1", { "kilde-consumer": `invented-${n}` });
  }
  const readMs = performance.now() - started;
  const flushed = performance.now();
  const { consumers } = await flooded.get<{ consumers: Consumer[] }>("/events/consumers?limit=1000");
  expect(consumers.length).toBeLessThanOrEqual(100);
  // Recording them takes less than the reads did.
  expect(performance.now() - flushed).toBeLessThan(readMs);
});

test("no statement scans the events, or sorts what it reads", async () => {
  const statements = [
    { sql: LIST_CONSUMERS, args: [0, 0, "", null, "", 10] },
    { sql: FIND_CONSUMER, args: [0, 0, "a"] },
    { sql: ACTIVE_CONSUMERS, args: [0, "2026"] },
    { sql: RECORD_ACTIVITY, args: ["[]", "2026"] },
    { sql: RECORD_NEW_CONSUMERS, args: [0, 10, "[]"] },
    { sql: ADVANCED_TO, args: [0, "a", 1, 0] },
    { sql: COMMIT_CONSUMER, args: [0, "a", 1, "2026", 0, 10, "2026", 0, null] },
  ];
  for (const { sql, args } of statements) {
    const plan = await database.read({ sql: `explain query plan ${sql}`, args });
    const steps = plan.map((row) => String(row[3]));
    expect({
      sql,
      faults: steps.filter((step) => /SCAN (events|consumer|consumers|log|logs)\b|TEMP/.test(step)),
    }).toEqual({
      sql,
      faults: [],
    });
  }
});

describe("what a consumer reports", () => {
  const failure = {
    subject: "s-1",
    version: 2,
    type: "A",
    message: "no such account",
    attempts: 3,
    since: "2026-01-01T00:00:00.000Z",
  };

  test("is listed until it reports otherwise", async () => {
    expect((await commit({ position: 4, blocked: 2, failure })).status).toBe(200);
    expect(await one()).toMatchObject({ state: "blocked", blocked: 2, failure, committed: 4 });
    expect(await listed()).toMatchObject([{ consumer: "cards", state: "blocked", blocked: 2, failure }]);
    await commit({ position: 4 });
    expect(await one()).toMatchObject({ state: "keeps-up", blocked: 0, failure: null });
  });

  test("is in /metrics, also for consumers that only read", async () => {
    await commit({ position: 4, blocked: 2, failure });
    await commit({ position: 0 }, 'odd "name"');
    await app.get("/events?limit=1", { "kilde-consumer": "reader" });
    await app.get("/events/consumers");
    const metrics = await (await app.fetch("/metrics")).text();
    const lines = metrics.split("\n").filter((line) => /^kilde_consumer_.*"\/events"/.test(line));
    expect(lines).toContain('kilde_consumer_blocked_subjects{consumer="cards",source="/events"} 2');
    expect(lines).toContain('kilde_consumer_state{consumer="cards",source="/events",state="blocked"} 1');
    expect(lines).toContain('kilde_consumer_state{consumer="cards",source="/events",state="keeps-up"} 0');
    expect(lines).toContain('kilde_consumer_blocked_subjects{consumer="odd \\"name\\"",source="/events"} 0');
    const head = await app.get<unknown[]>("/events");
    expect(lines).toContain(
      `kilde_consumer_lag_events{consumer="odd \\"name\\"",source="/events"} ${head.length}`,
    );
    expect(lines).toContain(
      `kilde_consumer_lag_events{consumer="reader",source="/events"} ${head.length - 1}`,
    );
  });

  test("is kept also when its position would go back", async () => {
    await commit({ position: 4 });
    expect((await commit({ position: 3, blocked: 1, failure })).status).toBe(409);
    expect(await one()).toMatchObject({ committed: 4, blocked: 1, failure });
  });

  test.each([
    { blocked: -1 },
    { blocked: 1.5 },
    { failure: { ...failure, message: "x".repeat(1_001) } },
    { failure: { ...failure, since: "yesterday" } },
    { failure: { ...failure, more: 1 } },
    { failure: "it failed" },
  ])("is refused: %j", async (wrong) => {
    const refused = await commit({ position: 4, ...wrong });
    expect(refused.status).toBe(422);
    expect(await problemOf(refused)).toMatchObject({ type: "/problems/invalid-body" });
  });

  testInProcess("makes the state, with how far it is and when it was seen", async () => {
    await commit({ position: 1 });
    expect(await one()).toMatchObject({ state: "keeps-up", lag: { events: 3 } });
    const hourAgo = new Date(Date.now() - 3_600_000).toISOString();
    await database.write([{ sql: "update events set recorded = ?1", args: [hourAgo] }]);
    expect(await one()).toMatchObject({ state: "late" });
    await commit({ position: 1, blocked: 1, failure });
    expect(await one()).toMatchObject({ state: "blocked" });
    await database.write([{ sql: "update consumers set seen = ?1", args: [hourAgo] }]);
    expect(await one()).toMatchObject({ state: "silent", active: true });
  });

  testInProcess("is forgotten when a stream is erased, since it may quote an event", async () => {
    await commit({ position: 4, blocked: 1, failure });
    expect((await app.fetch("/streams/s-1?reason=asked", { method: "DELETE" })).status).toBe(200);
    await eventually(async () => (await one()).failure === null);
    expect(await one()).toMatchObject({ blocked: 1, failure: null });
  });
});

describe("the list of consumers", () => {
  const failure = null;

  test("has only consumers in the states that are asked for", async () => {
    await commit({ position: 4 }, "a");
    await commit({ position: 4, blocked: 1, failure }, "b");
    await commit({ position: 4, blocked: 1, failure }, "c");
    const names = async (query: string) => {
      const { consumers } = await app.get<{ consumers: Consumer[] }>(`/events/consumers?${query}`);
      return consumers.map(({ consumer }) => consumer);
    };
    expect(await names("state=blocked")).toEqual(["b", "c"]);
    expect(await names("state=keeps-up&state=blocked")).toEqual(["a", "b", "c"]);
    expect(await names("state=late")).toEqual([]);
    expect(await names("state=blocked&prefix=c")).toEqual(["c"]);
    expect(await names("state=blocked&cursor=b")).toEqual(["c"]);
  });

  test("pages through those in a state", async () => {
    for (const name of ["a", "b", "c"]) await commit({ position: 4, blocked: 1 }, name);
    const first = await app.fetch("/events/consumers?state=blocked&limit=2");
    const next = /<([^>]*)>; rel="next"/.exec(first.headers.get("link") ?? "")?.[1] ?? "";
    expect(next).toBe("/events/consumers?state=blocked&limit=2&cursor=b");
    const second = await app.fetch(next);
    expect(await second.json()).toMatchObject({ consumers: [{ consumer: "c" }] });
    expect(second.headers.get("link")).not.toContain('rel="next"');
  });

  test("refuses a state that there is not", async () => {
    const problem = await problemOf(await app.fetch("/events/consumers?state=lost"));
    expect(problem.detail).toContain("must be one of keeps-up, late, blocked, silent");
  });
});
