import { afterEach, beforeEach, expect, test } from "bun:test";

import { jsonPost, openApp, type Problem, takeEvents, type TestApp } from "../../support/app.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { renewIdentities } from "../../../src/backup/renew-identities.ts";
import { sketch } from "../../support/feeds.ts";
import { type Lagging, openLagging } from "../../support/lagging-replica.ts";
import { openProjection } from "../../support/projection.ts";

/**
 * Reads from a replica. It serves real databases, one for each time that it catches up, so each test states the
 * events that it has.
 */

const SSE = { accept: "text/event-stream" };
/** Long enough for a machine that has much else to do. */
const WAIT_MS = 400;
/** Where two replicas are read in turn, who asks again may meet the wrong one several times. */
const SHARED_WAIT_MS = 2_000;

const ORDERS = sketch({ name: "orders" });

let lagging: Lagging;
let app: TestApp;
beforeEach(async () => {
  lagging = openLagging(WAIT_MS);
  const { primary: database, replica } = lagging;
  app = await openApp({ database, replica, limits: { replicaWaitMs: WAIT_MS }, feeds: [ORDERS] });
});
afterEach(async () => {
  await app.close();
  lagging.dispose();
});

const shown = (position: number, headers: Record<string, string> = {}) => ({
  headers: { "Kilde-Position": String(position), ...headers },
});

async function problemAt(path: string, init?: RequestInit): Promise<Problem> {
  return (await (await app.fetch(path, init)).json()) as Problem;
}

const idsAt = async (path: string, headers?: Record<string, string>) =>
  (await app.get(path, headers)).map(({ id }) => Number(id));

/** Has the replica catch up in a moment. */
const soon = async () => {
  await Bun.sleep(15);
  lagging.catchUp();
};

test("reads are answered from the replica, and include an append once it has it", async () => {
  await app.append("s", { type: "A" });
  lagging.catchUp();
  await app.append("s", { type: "B" });
  await app.append("t", { type: "C" });
  const before = lagging.reads.primary;
  expect(await idsAt("/events")).toEqual([1]);
  expect((await app.fetch("/streams/s")).headers.get("etag")).toStartWith('"1-');
  expect(await app.get<object>("/streams")).toMatchObject({ streams: [{ stream: "s", version: 1 }] });
  expect(await app.get<object>("/streams?changedSince=0")).toMatchObject({ streams: [{ position: 1 }] });
  expect((await app.fetch("/events")).headers.get("kilde-head")).toBe("1");
  expect(lagging.reads.primary).toBe(before);
  lagging.catchUp();
  expect(await idsAt("/events")).toEqual([1, 2, 3]);
  expect(await idsAt("/streams/s?toVersion=1")).toEqual([1]);
});

test("appends return their position, and a read that sends it includes them", async () => {
  lagging.catchUp();
  const append = await app.fetch("/streams/s", jsonPost({ events: [{ type: "A" }, { type: "B" }] }));
  expect(append.headers.get("kilde-position")).toBe("2");
  const transaction = { appends: [{ stream: "t", events: [{ type: "A" }] }] };
  const transacted = await app.fetch("/transactions", jsonPost(transaction));
  expect(transacted.headers.get("kilde-position")).toBe("3");
  for (const [path, init] of [
    ["/events", shown(3)],
    ["/streams/t", shown(3)],
    ["/streams/none?timeout=1", shown(3)],
    ["/streams?prefix=t", shown(3)],
    ["/events", shown(3, { accept: "application/x-ndjson" })],
  ] as const) {
    const answer = app.fetch(path, init);
    await soon();
    expect((await answer).status).toBe(200);
  }
  expect(await idsAt("/events", shown(3).headers)).toEqual([1, 2, 3]);
  const erased = await app.fetch("/streams/t?reason=gone", { method: "DELETE" });
  expect(erased.headers.get("kilde-position")).toBe("4");
});

test("a replica that stays behind is reported after the limit", async () => {
  lagging.catchUp();
  await app.append("s", { type: "A" });
  for (const path of ["/events", "/streams/s", "/streams", "/events?direction=backwards"]) {
    const started = performance.now();
    const response = await app.fetch(path, shown(1));
    expect(performance.now() - started).toBeWithin(WAIT_MS - 5, 3_000);
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(await response.json()).toMatchObject({ type: "/problems/replica-behind", position: 1, head: 0 });
  }
});

test("a position beyond the head, or an invalid one, is refused", async () => {
  lagging.catchUp();
  await app.append("s", { type: "A" });
  for (const path of ["/events", "/streams/s", "/streams"]) {
    expect(await problemAt(path, shown(2))).toMatchObject({
      status: 400,
      type: "/problems/cursor-beyond-head",
      head: 1,
    });
    const malformed = { headers: { "Kilde-Position": "x" } };
    expect(await problemAt(path, malformed)).toMatchObject({
      type: "/problems/invalid-parameter",
      errors: [{ parameter: "Kilde-Position" }],
    });
  }
});

test("without a replica every read already satisfies the header", async () => {
  const other = await openApp();
  const { position } = await other.append("s", { type: "A" });
  expect(await other.get("/events", shown(position).headers)).toHaveLength(1);
  expect(await other.get("/streams/s", shown(position).headers)).toHaveLength(1);
  expect((await other.fetch("/events", shown(position + 1))).status).toBe(400);
  expect((await other.fetch("/streams", shown(position + 1))).status).toBe(400);
  await other.close();
});

test("a cursor that the replica does not have yet is one nevertheless", async () => {
  await app.append("s", { type: "A" }, { type: "B" });
  lagging.catchUp();
  await app.append("s", { type: "C" }, { type: "D" }, { type: "E" });
  const response = await app.fetch("/events?lastEventId=4");
  expect(await response.json()).toEqual([]);
  expect(response.headers.get("kilde-head")).toBe("4");
  expect(await app.get("/streams/s?lastEventId=4")).toEqual([]);
  const beyond = await problemAt("/events?lastEventId=6");
  expect(beyond).toMatchObject({ type: "/problems/cursor-beyond-head", head: 5 });
  const polled = app.get("/events?lastEventId=4&timeout=5000");
  await soon();
  expect((await polled).map(({ id }) => id)).toEqual(["5"]);
});

test("a backwards page is answered when the replica has all events before the cursor", async () => {
  await app.append("s", { type: "A" }, { type: "B" });
  lagging.catchUp();
  await app.append("s", { type: "C" }, { type: "D" });
  // The replica's page is full, and caches would keep it permanently.
  const path = "/events?direction=backwards&lastEventId=4&limit=2";
  expect(await problemAt(path)).toMatchObject({ type: "/problems/replica-behind", position: 4, head: 2 });
  const stream = "/streams/s?direction=backwards&lastEventId=4&limit=2";
  expect(await problemAt(stream)).toMatchObject({ type: "/problems/replica-behind" });
  const answer = app.get(path);
  await soon();
  expect((await answer).map(({ id }) => Number(id))).toEqual([3, 2]);
  expect(await idsAt(stream)).toEqual([3, 2]);
});

test("a stream that the replica does not have yet is waited for; one that there is not, is not", async () => {
  lagging.catchUp();
  await app.append("s", { type: "A" });
  expect(await problemAt("/streams/s")).toMatchObject({ type: "/problems/replica-behind" });
  expect(await problemAt("/streams/none")).toMatchObject({ type: "/problems/stream-not-found" });
  const answer = app.get("/streams/s");
  await soon();
  expect(await answer).toHaveLength(1);
});

test.each([
  "the replica has it, whatever this process has appended meanwhile",
  "one of two replicas that share an address has it",
])("followers see each event once when %s", async (which) => {
  if (which.startsWith("one of two")) {
    await app.close();
    lagging.dispose();
    lagging = openLagging(SHARED_WAIT_MS);
    lagging.share();
    app = await openApp({ database: lagging.primary, replica: lagging.replica });
  }
  await app.append("s", { type: "T" }, { type: "T" });
  lagging.catchUp();
  lagging.catchUp();
  const followers = await Promise.all(
    [0, 1, 2].map(async (after) => ({
      after,
      taking: takeEvents(await app.fetch(`/events?lastEventId=${after}`, { headers: SSE }), 302 - after),
    })),
  );
  // It has some of them, and none of the latest.
  for (let turn = 0; turn < 60; turn += 1) {
    await app.append(`s-${turn % 7}`, ...Array.from({ length: 5 }, () => ({ type: "T" })));
    if (turn === 30) {
      // A cursor that the replica does not have.
      const response = await app.fetch("/events?lastEventId=150", { headers: SSE });
      followers.push({ after: 150, taking: takeEvents(response, 152) });
    }
    if (turn % 3 === 0) await Bun.sleep(4);
    if (turn % 4 === 0) lagging.catchUp();
  }
  await soon();
  // Now both have it.
  lagging.catchUp();
  for (const { after, taking } of followers) {
    const ids = (await taking).map(({ id }) => Number(id));
    expect(ids).toEqual(Array.from({ length: 302 - after }, (_, n) => after + 1 + n));
  }
});

test("followers receive this process's appends sooner than their next look", async () => {
  lagging.catchUp();
  const { primary: database, replica } = lagging;
  const patient = await openApp({ database, replica, pollIntervalMs: 60_000 });
  const taking = takeEvents(await patient.fetch("/events", { headers: SSE }), 2);
  await patient.append("s", { type: "A" }, { type: "B" });
  await soon();
  expect(await taking).toHaveLength(2);
  await patient.close();
});

test("a replica that has less than before is not read", async () => {
  await app.append("s", { type: "A" });
  lagging.catchUp();
  await app.append("s", { type: "B" });
  lagging.catchUp();
  expect(await idsAt("/events")).toEqual([1, 2]);
  for (const state of [1, 0]) {
    lagging.show(state);
    expect(await problemAt("/events")).toMatchObject({ status: 503, type: "/problems/replica-behind" });
    expect(await problemAt("/streams/s")).toMatchObject({ type: "/problems/replica-behind" });
  }
  lagging.show(1);
  const answer = app.get("/events");
  await Bun.sleep(15);
  lagging.show(2);
  expect(await answer).toHaveLength(2);
});

test("reads of a replica without the schema are refused, and appends are not", async () => {
  await app.append("s", { type: "A" });
  for (const path of ["/events", "/streams/s", "/streams"]) {
    expect(await problemAt(path)).toMatchObject({ status: 503, type: "/problems/replica-behind" });
  }
  expect((await app.fetch("/ready")).status).toBe(200);
  expect((await app.fetch("/metrics")).status).toBe(200);
  expect(app.faults).toEqual([]);
  const metrics = async () => (await app.fetch("/metrics")).text();
  expect(await metrics()).not.toContain("kilde_replica_head");
  lagging.catchUp();
  await app.append("s", { type: "B" });
  expect(await metrics()).toMatch(/kilde_event_log_head 2\n(.|\n)*kilde_replica_head 1\n/);
});

test("decisions rest on the primary", async () => {
  lagging.catchUp();
  const events = [{ type: "A" }];
  await app.append("s", { type: "A" }, { type: "B" });
  const stale = await app.fetch("/streams/s", jsonPost({ events }, { "If-Match": '"1"' }));
  expect(stale.status).toBe(412);
  // What it was refused for can be read then.
  expect(stale.headers.get("kilde-position")).toBe("2");
  const conflict = await app.fetch("/streams/s", jsonPost({ events, expectedVersion: 0 }));
  expect(conflict.headers.get("kilde-position")).toBe("2");
  expect(await conflict.json()).toMatchObject({ currentVersion: 2, head: 2 });
  expect((await app.fetch("/streams/s", jsonPost({ events }, { "If-Match": '"2"' }))).status).toBe(201);
  const keyed = () => app.fetch("/streams/s", jsonPost({ events }, { "Idempotency-Key": "k" }));
  expect((await keyed()).headers.get("idempotency-replayed")).toBeNull();
  expect((await keyed()).headers.get("idempotency-replayed")).toBe("true");
  expect(await app.get<object>("/appends/k")).toMatchObject({ position: 4 });
  const truncated = await app.fetch("/streams/s?before=3", {
    method: "DELETE",
    headers: { "If-Match": '"4"' },
  });
  expect(await truncated.json()).toMatchObject({ version: 4, firstVersion: 3 });
  const commit = { method: "PUT", body: JSON.stringify({ position: 4 }) };
  expect((await app.fetch("/events/consumers/one", commit)).status).toBe(200);
  const beyond = { method: "PUT", body: JSON.stringify({ position: 5 }) };
  expect((await app.fetch("/events/consumers/one", beyond)).status).toBe(400);
  expect((await app.fetch("/streams/s?reason=gone", { method: "DELETE" })).status).toBe(200);
});

test("a subject of a feed is complete as of the request, and the feed is as the replica has it", async () => {
  // It does not even know of the feed.
  const { primary: database } = lagging;
  const projection = await openProjection({ database, writer: app.store.writer }, [ORDERS]);
  await app.append("s", { type: "A" });
  const subject = await app.get("/feeds/orders/v1/subjects/s");
  expect(subject.map(({ type }) => type)).toEqual(["PublicA"]);
  await projection.drain();
  lagging.catchUp();
  await app.append("s", { type: "B" });
  await projection.drain();
  expect(await app.get("/feeds/orders/v1/subjects/s")).toHaveLength(2);
  expect(await app.get("/feeds/orders/v1")).toHaveLength(1);
  expect(await app.get<object>("/feeds/orders/v1/status")).toMatchObject({ head: 2, cursor: 2 });
  expect(await problemAt("/feeds/orders/v1", shown(2))).toMatchObject({ type: "/problems/replica-behind" });
  expect(await problemAt("/feeds/orders/v1/subjects", shown(2))).toMatchObject({ status: 503 });
  expect(await problemAt("/feeds/orders/v1", shown(3))).toMatchObject({ status: 400, head: 2 });
  const taking = takeEvents(await app.fetch("/feeds/orders/v1", { headers: SSE }), 2);
  const answer = app.get("/feeds/orders/v1", shown(2).headers);
  await soon();
  expect(await answer).toHaveLength(2);
  expect((await taking).map(({ id }) => id)).toEqual(["1", "2"]);
  await projection.feeds.close();
});

test("a feed that the replica does not have yet is empty, and a retired one is gone when it has that", async () => {
  const { primary: database, replica } = lagging;
  lagging.catchUp();
  const added = sketch({ name: "added" });
  const other = await openApp({ database, replica, feeds: [added] });
  expect(await other.get("/feeds/added/v1")).toEqual([]);
  expect(await other.get<object>("/feeds/added/v1/subjects")).toEqual({ subjects: [] });
  lagging.catchUp();
  expect((await other.fetch("/feeds/added/v1", { method: "DELETE" })).status).toBe(202);
  expect((await other.fetch("/feeds/added/v1/schemas")).status).toBe(410);
  lagging.catchUp();
  expect((await other.fetch("/feeds/added/v1")).status).toBe(410);
  await other.close();
});

test("browsers of other origins may show and see the position", async () => {
  const { primary: database, replica } = lagging;
  const origin = "https://app.example";
  const open = await openApp({ database, replica, corsOrigins: [origin] });
  const asked = { Origin: origin, "Access-Control-Request-Method": "GET" };
  const preflight = await open.fetch("/events", {
    method: "OPTIONS",
    headers: { ...asked, "Access-Control-Request-Headers": "kilde-position" },
  });
  expect(preflight.headers.get("access-control-allow-headers")).toBe("kilde-position");
  const append = await open.fetch("/streams/s", jsonPost({ events: [{ type: "A" }] }, { Origin: origin }));
  expect(append.headers.get("access-control-expose-headers")).toContain("Kilde-Position");
  await open.close();
});

test("a replica of a restored primary is read when it has the restore, and never again as it was before", async () => {
  await app.append("s", { type: "A" }, { type: "A" }, { type: "A" }, { type: "Lost" }, { type: "Lost" });
  lagging.catchUp();
  const before = (await app.fetch("/events")).headers.get("kilde-log") ?? "";

  // As a restore of a backup after 3 events leaves it.
  await lagging.primary.write([
    { sql: "delete from events where key > 3", args: [] },
    { sql: "update logs set head = 3 where id = 0", args: [] },
  ]);
  const [restored] = await renewIdentities(lagging.primary, systemClock);
  const now = restored?.identity ?? "";
  // The replica answers for the history that it still has, and names it.
  expect((await app.fetch(`/events?lastEventId=4-${before}`)).headers.get("kilde-log")).toBe(before);
  // What it cannot know it does not judge.
  expect(await problemAt(`/events?lastEventId=3-${now}`)).toMatchObject({ type: "/problems/replica-behind" });

  lagging.catchUp();
  expect(await idsAt("/events")).toEqual([1, 2, 3]);
  expect((await app.fetch("/events")).headers.get("kilde-log")).toBe(now);
  expect(await idsAt(`/events?lastEventId=3-${before}`)).toEqual([]);
  expect(await problemAt(`/events?lastEventId=5-${before}`)).toMatchObject({
    type: "/problems/log-restored",
  });
  lagging.show(1);
  expect(await problemAt("/events")).toMatchObject({ type: "/problems/replica-behind" });
});
