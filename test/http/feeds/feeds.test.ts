import { afterEach, beforeEach, expect, test } from "bun:test";

import type { Database } from "../../../src/storage/database.ts";
import { openApp, type Problem, takeEvents, type TestApp, type WireEvent } from "../../support/app.ts";
import { newDatabase } from "../../support/new-database.ts";
import { counted, sketch } from "../../support/feeds.ts";
import { openProjection } from "../../support/projection.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld"]);

const OLD = sketch({
  name: "orders",
  deprecated: "2026-01-01",
  sunset: "2026-07-01T00:00:00Z",
  successor: 2,
});
const NEW = sketch({ name: "orders", version: 2, project: counted });

let database: Database;
let app: TestApp;
let drain: () => Promise<void>;
beforeEach(async () => {
  database = await newDatabase();
  app = await openApp({ database, feeds: [OLD, NEW] });
  const projection = await openProjection({ database, writer: app.store.writer }, [OLD, NEW]);
  drain = () => projection.drain();
});
afterEach(() => app.close());

async function problemAt(path: string, init?: RequestInit): Promise<Problem> {
  return (await (await app.fetch(path, init)).json()) as Problem;
}

test("a feed is read, filtered and followed as the event log is", async () => {
  await app.append("s-1", { type: "A", data: 1 }, { type: "B", data: 2 });
  await app.append("t-1", { type: "A", data: 3 });
  await drain();
  const events = await app.get("/feeds/orders/v1");
  expect(events.map(({ id, type, subject, source }) => [id, type, subject, source])).toEqual([
    ["1", "PublicA", "s-1", "/feeds/orders/v1"],
    ["2", "PublicB", "s-1", "/feeds/orders/v1"],
    ["3", "PublicA", "t-1", "/feeds/orders/v1"],
  ]);
  expect(await app.get("/feeds/orders/v1?lastEventId=1&type=PublicA")).toHaveLength(1);
  expect(await app.get("/feeds/orders/v1?subjectPrefix=t-&limit=1")).toHaveLength(1);
  expect(await app.get("/feeds/orders/v1?lastEventId=3&timeout=1")).toEqual([]);
  const live = await app.fetch("/feeds/orders/v1", {
    headers: { accept: "text/event-stream", "last-event-id": "2" },
  });
  expect((await takeEvents(live, 1))[0]).toMatchObject({ id: "3", event: "PublicA" });
  const beyond = await problemAt("/feeds/orders/v1?lastEventId=9");
  expect(beyond).toMatchObject({ type: "/problems/cursor-beyond-head", head: 3 });
});

test("a long-poll on a feed is answered when the feed has something", async () => {
  const { reader } = app.store;
  const projection = await openProjection({ database, writer: app.store.writer }, [OLD, NEW]);
  const running = projection.run("one", reader);
  const polled = app.get("/feeds/orders/v2?timeout=5000&lastEventId=0");
  await Bun.sleep(50);
  await app.append("s-1", { type: "A", data: 1 });
  expect(await polled).toMatchObject([{ type: "PublicA", data: { count: 1, data: 1 } }]);
  await running.stop();
});

test("a subject is complete as of the request, though nothing was projected yet", async () => {
  for (let n = 0; n < 5; n += 1) await app.append("s-1", { type: "A", data: n });
  const first = await app.fetch("/feeds/orders/v2/subjects/s-1");
  expect(first.headers.get("etag")).toStartWith('"5-');
  expect((await first.json()) as WireEvent[]).toHaveLength(5);
  await app.append("s-1", { type: "A", data: 5 });
  expect(await app.get("/feeds/orders/v2/subjects/s-1?afterVersion=5")).toHaveLength(1);
  await drain();
  expect(await app.get("/feeds/orders/v2")).toHaveLength(6);
  expect(await problemAt("/feeds/orders/v2/subjects/none")).toMatchObject({
    type: "/problems/subject-not-found",
    status: 404,
  });
});

test("subjects are listed by name, and by their last change", async () => {
  await app.append("b", { type: "A" });
  await app.append("a", { type: "A" }, { type: "B" });
  await drain();
  const { subjects } = await app.get<{ subjects: object[] }>("/feeds/orders/v1/subjects?limit=1");
  expect(subjects).toEqual([
    expect.objectContaining({ subject: "a", version: 2, position: 3, firstVersion: 1, erased: false }),
  ]);
  const changed = await app.get<{ subjects: object[] }>("/feeds/orders/v1/subjects?changedSince=1");
  expect(changed.subjects).toMatchObject([{ subject: "a" }]);
});

test("the catalog has status, lag, deprecation and links", async () => {
  await app.append("s-1", { type: "A" });
  const building = await app.get<{ feeds: object[] }>("/feeds");
  expect(building.feeds).toMatchObject([
    {
      feed: "orders",
      version: 1,
      status: "building",
      cursor: 0,
      lag: { events: 1 },
      progress: { done: 0, total: 1 },
      deprecated: "2026-01-01",
      successor: 2,
      links: { events: "/feeds/orders/v1", successor: "/feeds/orders/v2" },
    },
    { version: 2, deprecated: null },
  ]);
  await drain();
  expect(await app.get<object>("/feeds/orders/v1/status")).toMatchObject({
    status: "live",
    head: 1,
    lag: { events: 0, seconds: 0 },
    progress: null,
    failure: null,
  });
  expect(await app.get<object>("/feeds/orders/v1/schemas")).toEqual({ schemas: OLD.schemas });
});

test("every answer about a deprecated version has its headers", async () => {
  await app.append("s-1", { type: "A" });
  for (const path of ["", "/subjects", "/subjects/s-1", "/subjects/none", "/status", "?limit=nonsense"]) {
    const { headers } = await app.fetch(`/feeds/orders/v1${path}`);
    expect(headers.get("deprecation")).toBe("@1767225600");
    expect(headers.get("sunset")).toBe("Wed, 01 Jul 2026 00:00:00 GMT");
    expect(headers.get("link")).toContain('</feeds/orders/v2>; rel="successor-version"');
  }
  const { headers } = await app.fetch("/feeds/orders/v2");
  expect(headers.get("deprecation")).toBeNull();
});

test("a halted feed shows why, and resumes", async () => {
  await app.append("s-1", { type: "A" }, { type: "Bad" });
  await drain();
  expect(await app.get<object>("/feeds/orders/v2/status")).toMatchObject({
    status: "halted",
    failure: { position: 2, subject: "s-1", message: "this is bad" },
  });
  expect(await problemAt("/feeds/orders/v2/subjects/s-1")).toMatchObject({
    type: "/problems/projection-failed",
    errors: [{ pointer: "/bad", detail: "is bad" }],
  });
  const resumed = await app.fetch("/feeds/orders/v2/resume", { method: "POST" });
  expect(await resumed.json()).toMatchObject({ status: "building" });
  expect(await app.get("/feeds/orders/v2")).toHaveLength(1);
});

test("missing feeds and forbidden methods are refused", async () => {
  for (const path of ["/feeds/orders/v3", "/feeds/none/v1", "/feeds/orders/v3/status"]) {
    expect(await problemAt(path)).toMatchObject({ type: "/problems/feed-not-found", status: 404 });
  }
  expect((await app.fetch("/feeds/orders/v1", { method: "POST", body: "[]" })).status).toBe(405);
  expect((await app.fetch("/feeds/orders/v1/subjects/s-1", { method: "DELETE" })).status).toBe(405);
  expect((await app.fetch("/feeds/orders/1")).status).toBe(404);
});

test("metrics report the progress of each feed", async () => {
  await app.append("s-1", { type: "A", data: 1 }, { type: "B", data: 2 });
  const lineOf = async (metric: string) => {
    const response = await app.fetch("/metrics");
    expect(response.headers.get("content-type")).toStartWith("text/plain");
    return (await response.text()).split("\n").find((line) => line.startsWith(metric));
  };
  expect(await lineOf("kilde_event_log_head")).toBe("kilde_event_log_head 2");
  expect(await lineOf('kilde_feed_lag_events{feed="orders",version="1"}')).toEndWith(" 2");
  await drain();
  expect(await lineOf('kilde_feed_lag_events{feed="orders",version="1"}')).toEndWith(" 0");
  expect(await lineOf('kilde_feed_status{feed="orders",version="1",status="live"}')).toEndWith(" 1");
});
