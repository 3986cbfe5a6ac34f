import { afterEach, beforeEach, expect, test } from "bun:test";

import type { Database } from "../../../src/storage/database.ts";
import { jsonPost, openApp, type TestApp, type WireEvent } from "../../support/app.ts";
import { sketch } from "../../support/feeds.ts";
import { createTestKey, type TestKey, withToken } from "../../support/keys.ts";
import { newDatabase } from "../../support/new-database.ts";
import { openProjection } from "../../support/projection.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld"]);

const ORDERS = sketch({ name: "orders" });
const OPEN = sketch({ name: "open", access: "public", deprecated: "2026-01-01" });
const HIDDEN = sketch({ name: "hidden", deprecated: "2026-01-01", successor: 2 });
const DERIVED = sketch({ name: "derived", source: { log: ORDERS.path, types: ["PublicA"] } });
const FEEDS = [ORDERS, OPEN, HIDDEN, DERIVED];

let database: Database;
let app: TestApp;
let admin: TestKey;
let drain: () => Promise<void>;
let closeFeeds: () => void | Promise<void>;
beforeEach(async () => {
  database = await newDatabase();
  app = await openApp({ database, feeds: FEEDS });
  const projection = await openProjection({ database, writer: app.store.writer }, FEEDS);
  drain = () => projection.drain();
  closeFeeds = () => projection.feeds.close();
  admin = await createTestKey(app, ["admin"]);
});
afterEach(async () => {
  await closeFeeds();
  await app.close();
});

interface Refusal {
  readonly status: number;
  readonly needs?: string;
  readonly detail: string;
}

async function refused(key: Pick<TestKey, "fetch">, path: string, init?: RequestInit): Promise<Refusal> {
  const response = await key.fetch(path, init);
  return { ...((await response.json()) as Refusal), status: response.status };
}

function nextOf(response: Response): string {
  return /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1] ?? "";
}

async function fill(count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    await admin.append("shop-7-a", { type: "A", data: n });
    await admin.append("shop-8-a", { type: "A", data: n });
  }
  await drain();
}

test("a feed shows a sender the subjects that it is granted, and its versions have no gaps", async () => {
  await fill(3);
  const shop7 = await createTestKey(app, ["read:/feeds/orders?subjectPrefix=shop-7-"]);
  const versions = (events: readonly WireEvent[]) =>
    events.map(({ subject, sequence }) => [subject, Number(sequence)]);
  const own = [1, 2, 3].map((version) => ["shop-7-a", version]);
  expect(versions(await shop7.get("/feeds/orders/v1"))).toEqual(own);
  expect(versions(await shop7.get("/feeds/orders/v1?subjectPrefix=shop-7-a"))).toEqual(own);
  expect(versions(await shop7.get("/feeds/orders/v1/subjects/shop-7-a"))).toEqual(own);
  const { subjects } = await shop7.get<{ subjects: { subject: string }[] }>("/feeds/orders/v1/subjects");
  expect(subjects.map(({ subject }) => subject)).toEqual(["shop-7-a"]);
  const needs = "read:/feeds/orders/v1?subjectPrefix=shop-8-";
  expect(await refused(shop7, "/feeds/orders/v1?subjectPrefix=shop-8-")).toMatchObject({
    status: 403,
    needs,
  });
  expect(await refused(shop7, "/feeds/orders/v1?subjectPrefix=shop-")).toMatchObject({
    status: 403,
    needs: "read:/feeds/orders/v1?subjectPrefix=shop-",
  });
});

test("a sender with several prefixes of a feed has to state one of them", async () => {
  await fill(1);
  const grants = ["read:/feeds/orders?subjectPrefix=shop-7-", "read:/feeds/orders/v1?subjectPrefix=shop-8-"];
  const both = await createTestKey(app, grants);
  const refusal = await refused(both, "/feeds/orders/v1");
  expect(refusal.status).toBe(403);
  expect(refusal.detail).toContain('"shop-7-", "shop-8-"');
  expect(await both.get("/feeds/orders/v1?subjectPrefix=shop-8-")).toHaveLength(1);
});

test("pages to senders with credentials are private, and their `next` links stay cacheable", async () => {
  await fill(12);
  const shop7 = await createTestKey(app, ["read:/feeds/orders?subjectPrefix=shop-7-"]);
  for (const [key, path] of [
    [shop7, "/feeds/orders/v1?limit=5"],
    [admin, "/events?limit=5"],
    [admin, "/streams/shop-7-a?limit=5"],
  ] as const) {
    const first = await key.fetch(path);
    expect(first.headers.get("cache-control")).toBe("private, no-cache");
    const second = await key.fetch(nextOf(first));
    expect(second.headers.get("cache-control")).toBe("private, max-age=86400, must-revalidate");
    expect(second.headers.get("vary")).toBe("Accept, Accept-Encoding, Authorization, Cookie");
    await Promise.all([first, second].map((response) => response.body?.cancel()));
  }
  for (const path of ["/feeds", "/openapi.json", "/events/consumers", "/feeds/orders/v1/status"]) {
    const { headers } = await admin.fetch(path);
    expect([path, headers.get("cache-control")]).toEqual([path, "private, no-cache"]);
    expect([path, headers.get("vary")]).toEqual([path, expect.stringContaining("Authorization, Cookie")]);
  }
});

test("pages of a public feed are cacheable by all, for every sender", async () => {
  await fill(12);
  for (const sender of [app, admin, withToken(app, "garbage")]) {
    const second = await sender.fetch(nextOf(await sender.fetch("/feeds/open/v1?limit=5")));
    expect(second.headers.get("cache-control")).toBe("public, max-age=86400, must-revalidate");
    expect(second.headers.get("vary")).toBe("Accept, Accept-Encoding");
    expect(await second.json()).toHaveLength(5);
  }
});

test("a page that a client has is validated only while the client may read it", async () => {
  await fill(12);
  const reader = await createTestKey(app, ["read:/feeds/orders"]);
  const path = "/feeds/orders/v1?limit=5";
  const headers = { "if-none-match": (await reader.fetch(path)).headers.get("etag") ?? "" };
  expect((await reader.fetch(path, { headers })).status).toBe(304);
  const other = await createTestKey(app, ["read:/feeds/none"]);
  expect((await other.fetch(path, { headers })).status).toBe(403);
  await app.store.access.revoke(reader.id);
  expect((await reader.fetch(path, { headers })).status).toBe(401);
});

test("a sender is the consumer that its key is bound to, and no other", async () => {
  await fill(1);
  const grants = ["read:/feeds/orders"];
  const cards = await createTestKey(app, grants, { consumer: "cards" });
  const unbound = await createTestKey(app, grants);
  await cards.get("/feeds/orders/v1");
  await cards.get("/feeds/orders/v1", { "kilde-consumer": "cards" });
  await unbound.get("/feeds/orders/v1");
  for (const key of [unbound, admin]) {
    const headers = { "kilde-consumer": "cards" };
    expect(await refused(key, "/feeds/orders/v1", { headers })).toMatchObject({
      status: 403,
      needs: "consumer:cards",
    });
    const commit = { method: "PUT", body: '{"position":1}' };
    expect(await refused(key, "/feeds/orders/v1/consumers/cards", commit)).toMatchObject({ status: 403 });
  }
  const headers = { "kilde-consumer": "mail" };
  expect((await refused(cards, "/feeds/orders/v1", { headers })).status).toBe(403);
  expect((await refused(app, "/feeds/open/v1", { headers })).status).toBe(401);
  const { consumers } = await admin.get<{ consumers: { consumer: string }[] }>("/feeds/orders/v1/consumers");
  expect(consumers.map(({ consumer }) => consumer)).toEqual(["cards"]);
});

test("an idempotency key belongs to the name of its sender, also after a rotation", async () => {
  const one = await createTestKey(app, ["append:/streams/*"], { name: "one" });
  const two = await createTestKey(app, ["append:/streams/*"], { name: "two" });
  const append = (type: string) => jsonPost({ events: [{ type }] }, { "idempotency-key": "k" });
  expect((await one.fetch("/streams/x", append("A"))).status).toBe(201);
  expect((await two.fetch("/appends/k")).status).toBe(404);
  const other = await two.fetch("/streams/x", append("B"));
  expect([other.status, other.headers.get("idempotency-replayed")]).toEqual([201, null]);
  const rotated = await app.store.access.rotate(one.id, { overlapMs: 0 });
  if (rotated.outcome !== "rotated") throw new Error(rotated.outcome);
  const successor = withToken(app, rotated.token);
  const replayed = await successor.fetch("/streams/x", append("A"));
  expect([replayed.status, replayed.headers.get("idempotency-replayed")]).toEqual([201, "true"]);
  expect(await successor.get<object>("/appends/k")).toMatchObject({ position: 1 });
  expect(await two.get<object>("/appends/k")).toMatchObject({ position: 2 });
  expect((await admin.fetch("/appends/one%1Fk")).status).toBe(400);
});

test("a transaction without the grant of one append writes none", async () => {
  const orders = await createTestKey(app, ["append:/streams/order-*"]);
  const events = [{ type: "A" }];
  const both = jsonPost({ appends: ["order-1", "user-1"].map((stream) => ({ stream, events })) });
  expect(await refused(orders, "/transactions", both)).toMatchObject({
    status: 403,
    needs: "append:/streams/user-1",
  });
  expect(await admin.get("/events")).toEqual([]);
});

test("many appends: those with a grant are written, and the others are refused", async () => {
  const orders = await createTestKey(app, ["append:/streams/order-*"]);
  const entry = (stream: string) => ({ stream, events: [{ type: "A" }], idempotencyKey: `k-${stream}` });
  const invalid = { stream: "user-3", events: [{ type: 1 }] };
  const body = [entry("user-1"), entry("order-1"), entry("user-2"), entry("order-2"), invalid];
  const response = await orders.fetch("/appends", jsonPost(body));
  expect(response.status).toBe(200);
  const forbidden = (stream: string) => ({
    status: 403,
    needs: `append:/streams/${stream}`,
    instance: `/streams/${stream}`,
  });
  expect(await response.json()).toMatchObject([
    forbidden("user-1"),
    { status: 201, stream: "order-1" },
    forbidden("user-2"),
    { status: 201, stream: "order-2" },
    forbidden("user-3"),
  ]);
  const written = await admin.get("/events");
  expect(written.map(({ subject }) => subject)).toEqual(["order-1", "order-2"]);
  await app.store.denials.flush();
  const denied = await admin.get("/operations?type=kilde.access.denied");
  expect(denied.map(({ data }) => data)).toMatchObject([{ count: 3 }]);
  // Keys belong to their sender.
  expect((await orders.fetch("/appends/k-order-1")).status).toBe(200);
  expect((await admin.fetch("/appends/k-order-1")).status).toBe(404);
});

test("the catalog names the source of a feed only to those who may read the source", async () => {
  const sources = async (...grants: string[]) => {
    const key = await createTestKey(app, grants);
    const { feeds } = await key.get<{ feeds: { feed: string; source: string | null }[] }>("/feeds");
    return Object.fromEntries(feeds.map(({ feed, source }) => [feed, source]));
  };
  expect(await sources("read:/feeds/derived")).toMatchObject({ derived: null });
  expect(await sources("read:/feeds/derived", "read:/feeds/orders?subjectPrefix=a-")).toMatchObject({
    derived: "/feeds/orders/v1",
    orders: "/events",
  });
});

test("only those who manage a feed learn why it fails", async () => {
  await admin.append("s-1", { type: "Bad" });
  await drain();
  const reader = await createTestKey(app, ["read:/feeds/orders"]);
  const manager = await createTestKey(app, ["read:/feeds/orders", "manage:/feeds/orders"]);
  const status = "/feeds/orders/v1/status";
  expect(await manager.get<object>(status)).toMatchObject({ status: "halted", failure: { position: 1 } });
  expect(await reader.get<object>(status)).toMatchObject({ status: "halted", failure: null });
  expect(await reader.get<object>("/feeds")).toMatchObject({ feeds: [{ feed: "open" }, { failure: null }] });
  const subject = "/feeds/orders/v1/subjects/s-1";
  expect(await refused(manager, subject)).toMatchObject({
    status: 500,
    detail: expect.stringContaining("bad"),
  });
  const hidden = await refused(reader, subject);
  expect([hidden.status, hidden.detail.includes("bad")]).toEqual([500, false]);
});

test("an answer to a sender that may not read a feed has no header of the feed", async () => {
  const other = await createTestKey(app, ["read:/feeds/orders"]);
  for (const [method, path] of [
    ["GET", "/feeds/hidden/v1"],
    ["PUT", "/feeds/hidden/v1"],
    ["OPTIONS", "/feeds/hidden/v1"],
    ["GET", "/feeds/hidden/v1/none"],
  ] as const) {
    const { headers } = await other.fetch(path, { method });
    expect([method, path, headers.get("deprecation"), headers.get("link")]).toEqual([
      method,
      path,
      null,
      null,
    ]);
    expect((await admin.fetch(path, { method })).headers.get("deprecation")).not.toBeNull();
  }
  expect((await app.fetch("/feeds/open/v1")).headers.get("deprecation")).not.toBeNull();
});

test("a subscription delivers the prefix that its creator is granted, and cannot be widened", async () => {
  const key = await createTestKey(app, ["manage:/subscriptions", "read:/events?subjectPrefix=shop-7-"]);
  const create = (body: object) =>
    key.fetch("/subscriptions", jsonPost({ source: "/events", url: "http://127.0.0.1:9/hook", ...body }));
  const made = (await (await create({})).json()) as { subscription: string; subjectPrefix: string };
  expect(made.subjectPrefix).toBe("shop-7-");
  expect((await create({ subjectPrefix: "shop-7-a" })).status).toBe(201);
  expect((await create({ subjectPrefix: "shop-8-" })).status).toBe(403);
  expect((await create({ source: "/feeds/orders/v1" })).status).toBe(403);
  const path = `/subscriptions/${made.subscription}`;
  for (const [subjectPrefix, status] of [
    ["shop-", 403],
    ["shop-8-", 403],
    ["", 200],
  ] as const) {
    const change = { method: "PATCH", body: JSON.stringify({ subjectPrefix }) };
    expect([subjectPrefix, (await key.fetch(path, change)).status]).toEqual([subjectPrefix, status]);
  }
  expect(await admin.get<object>(path)).toMatchObject({ subjectPrefix: "shop-7-" });
});

test("/ready shows its details only to senders with credentials", async () => {
  expect(await app.get<object>("/ready")).toEqual({ status: "ready" });
  expect(await admin.get<object>("/ready")).toMatchObject({ status: "ready", writeMs: expect.any(Number) });
});
