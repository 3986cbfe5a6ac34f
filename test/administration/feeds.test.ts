import { afterEach, beforeEach, expect, test } from "bun:test";

import type { Database } from "../../src/storage/database.ts";
import { examine } from "../../src/doctor/doctor.ts";
import type { Feed } from "../../src/feeds/feed.ts";
import { ProjectionError } from "../../src/feeds/feed.ts";
import { renewIdentities } from "../../src/backup/renew-identities.ts";
import { systemClock } from "../../src/core/system-clock.ts";
import { jsonPost, openApp, type TestApp } from "../support/app.ts";
import { copied, counted, sketch } from "../support/feeds.ts";
import { newDatabase } from "../support/new-database.ts";
import { openProjection } from "../support/projection.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["memory", "sqld"]);

let isBroken = true;
const ORDERS = sketch({
  name: "orders",
  project(event) {
    if (event.type === "B" && isBroken) throw new ProjectionError("cannot be projected", event);
    return copied(event);
  },
});
const DRAFT: Feed = { ...sketch({ name: "drafts", project: counted }), draft: true };

let database: Database;
let app: TestApp;
beforeEach(async () => {
  isBroken = true;
  database = await newDatabase();
  app = await openApp({ database, feeds: [ORDERS, DRAFT] });
});
afterEach(async () => {
  expect(await examine(database)).toEqual([]);
  await app.close();
});

const projection = (feeds: readonly Feed[]) => openProjection({ database, writer: app.store.writer }, feeds);

async function entries(): Promise<(readonly [string, string, unknown])[]> {
  return (await app.get("/operations")).map(({ subject, type, data }) => [subject, type, data] as const);
}

const principal = null;

test("records that a feed is live, halts, is resumed and is live again", async () => {
  await app.append("s", { type: "A" });
  const { drain } = await projection([ORDERS]);
  await drain();
  await drain();
  await app.append("s", { type: "B" }, { type: "A" });
  await drain();
  await drain();
  isBroken = false;
  expect((await app.fetch("/feeds/orders/v1/resume", jsonPost({}))).status).toBe(200);
  expect((await app.fetch("/feeds/orders/v1/resume", jsonPost({}))).status).toBe(200);
  await drain();
  expect(await entries()).toEqual([
    ["/feeds/orders/v1", "kilde.feed.live", { principal }],
    ["/feeds/orders/v1", "kilde.feed.halted", { principal, position: 2, subject: "s" }],
    ["/feeds/orders/v1", "kilde.feed.resumed", { principal }],
    ["/feeds/orders/v1", "kilde.feed.live", { principal }],
  ]);
});

test("records that a draft is built again, by request or because its definition changed", async () => {
  await app.append("s", { type: "A" });
  const first = await projection([DRAFT]);
  await first.drain();
  expect((await app.fetch("/feeds/drafts/v1/rebuild", jsonPost({}))).status).toBe(202);
  await first.drain();
  await first.feeds.close();
  const changed = { ...DRAFT, source: { ...DRAFT.source, prefixes: ["s"] } };
  const second = await projection([changed]);
  await second.drain();
  await second.feeds.close();
  expect(await entries()).toEqual([
    ["/feeds/drafts/v1", "kilde.feed.live", { principal }],
    ["/feeds/drafts/v1", "kilde.feed.rebuilt", { principal, reason: null }],
    ["/feeds/drafts/v1", "kilde.feed.live", { principal }],
    ["/feeds/drafts/v1", "kilde.feed.rebuilt", { principal, reason: "definition changed" }],
    ["/feeds/drafts/v1", "kilde.feed.live", { principal }],
  ]);
});

test("records a retirement with the subscriptions that it pauses, and no refused one", async () => {
  const body = { source: "/feeds/orders/v1", url: "http://127.0.0.1:9/hook" };
  const made = [];
  for (let count = 0; count < 2; count += 1) {
    const response = await app.fetch("/subscriptions", jsonPost(body));
    made.push(((await response.json()) as { subscription: string }).subscription);
  }
  expect((await app.fetch("/feeds/orders/v1", { method: "DELETE" })).status).toBe(409);
  expect((await app.fetch("/feeds/orders/v1?force=true", { method: "DELETE" })).status).toBe(202);
  const [retired, ...paused] = (await entries()).slice(2);
  expect(retired).toEqual(["/feeds/orders/v1", "kilde.feed.retired", { principal, forced: true }]);
  expect(new Set(paused.map(([subject]) => subject))).toEqual(
    new Set(made.map((subscription) => `/subscriptions/${subscription}`)),
  );
  for (const [, type, data] of paused)
    expect([type, data]).toEqual(["kilde.subscription.paused", { principal, reason: "source retired" }]);
});

test("records that each log was restored, with its new identity", async () => {
  await app.append("s", { type: "A" });
  const renewed = await renewIdentities(database, systemClock);
  const expected = renewed.map(
    ({ log, identity }) => [log, "kilde.log.restored", { principal, identity }] as const,
  );
  expect(await entries()).toEqual([...expected]);
  expect(expected.map(([log]) => log)).toContain("/feeds/orders/v1");
});
