import { describe, expect, test } from "bun:test";
import { consent } from "kilde/webhook";

import { jsonPost, openApp, TEST_SECRET_KEY } from "../../support/app.ts";
import { openProjection } from "../../support/projection.ts";
import { runsOn, testInProcess } from "../../support/tested-on.ts";
import { PRIVATE, PUBLIC, SECRET } from "../../webhooks/receive/support.ts";
import {
  app,
  changed,
  clock,
  create,
  database,
  FEED,
  HOOK,
  openAppForEach,
  patch,
  post,
  problemOf,
  refused,
  reopen,
  shown,
  type Shown,
  startReceiver,
} from "./subscribing.ts";

runsOn(["memory", "sqld", "worker"]);
openAppForEach();

describe("creating a subscription", () => {
  testInProcess("begins with the next event by default, and returns the secret once", async () => {
    const response = await post("/subscriptions", { source: "/events", url: HOOK });
    expect(response.status).toBe(201);
    expect(response.headers.get("cache-control")).toBe("no-store");
    const made = (await response.json()) as Shown;
    expect(response.headers.get("location")).toBe(`/subscriptions/${made.subscription}`);
    expect(made).toEqual({
      subscription: expect.stringMatching(/^sub_[0-9a-f]{32}$/),
      source: "/events",
      url: HOOK,
      types: null,
      subjectPrefix: "",
      mode: "single",
      batch: null,
      concurrency: 64,
      creator: null,
      attempts: null,
      keepAttempts: 0,
      headers: [],
      handshake: null,
      description: "",
      created: "2026-02-01T12:00:04.000Z",
      status: "active",
      reason: null,
      cursor: 4,
      lag: { events: 0, seconds: 0 },
      blocked: 0,
      since: "2026-02-01T12:00:04.000Z",
      rewind: null,
      endpoint: null,
      secret: expect.stringMatching(/^whsec_/),
      publicKey: null,
    });
    const { secret, publicKey: _, ...rest } = made;
    expect(await shown(made.subscription)).toEqual(rest as Shown);
    expect(JSON.stringify(await app.get("/subscriptions"))).not.toContain(secret ?? "");
    expect(changed).toEqual([made.subscription]);
  });

  test.each([
    ["beginning", 0],
    ["now", 4],
    [{ position: 0 }, 0],
    [{ position: 3 }, 3],
    [{ position: 4 }, 4],
    [{ time: "2020-01-01T00:00:00Z" }, 0],
    [{ time: "2030-01-01T00:00:00Z" }, 4],
  ])("starts at %j, after position %d", async (start, cursor) => {
    expect(await create({ start })).toMatchObject({ cursor, lag: { events: 4 - cursor } });
  });

  testInProcess.each([{ time: "2026-02-01T13:00:02+01:00" }, { time: "2026-02-01T12:00:01.5Z" }])(
    "starts at %j, in the middle",
    async (start) => {
      expect(await create({ start })).toMatchObject({ cursor: 2, lag: { events: 2 } });
    },
  );

  test("takes each mode, and a filter", async () => {
    expect(await create({ mode: "batch", types: ["A", "B"], subjectPrefix: "user-" })).toMatchObject({
      mode: "batch",
      batch: { events: 100, bytes: 1024 * 1024 },
      types: ["A", "B"],
      subjectPrefix: "user-",
    });
    expect(await create({ mode: "batch", batch: { events: 7 } })).toMatchObject({
      batch: { events: 7, bytes: 1024 * 1024 },
    });
    expect(
      await create({ mode: "doorbell", concurrency: 1, attempts: 3, description: "cards" }),
    ).toMatchObject({ mode: "doorbell", batch: null, concurrency: 1, attempts: 3, description: "cards" });
  });

  testInProcess("takes a feed as the source", async () => {
    const { drain } = await openProjection({ database, writer: app.store.writer }, [FEED]);
    await drain();
    expect(await create({ source: "/feeds/orders/v1", start: { position: 1 } })).toMatchObject({
      source: "/feeds/orders/v1",
      cursor: 1,
      lag: { events: 3 },
    });
  });

  test("takes a given secret, and one of another kind", async () => {
    expect(await create({ secret: SECRET })).toMatchObject({ secret: SECRET, publicKey: null });
    expect(await create({ secret: PRIVATE })).toMatchObject({ secret: null, publicKey: PUBLIC });
    expect(await create({ signature: "ed25519" })).toMatchObject({
      secret: null,
      publicKey: expect.stringMatching(/^whpk_/),
    });
  });

  test("neither secrets nor values of headers are stored in the open, or shown again", async () => {
    const value = "Bearer 3b7d0c1e9f";
    const { subscription } = await create({
      secret: SECRET,
      headers: { Authorization: value, "X-Tenant": "t-77" },
    });
    await patch(subscription, { headers: { Authorization: `${value}f`, "X-Other": "u-88" } });
    await post(`/subscriptions/${subscription}/rotate-secret`, { secret: PRIVATE });
    const answers = await Promise.all(
      [
        "",
        `/${subscription}`,
        `/${subscription}/attempts`,
        `/${subscription}/blocked`,
        `/${subscription}/skips`,
      ].map(async (path) => (await app.fetch(`/subscriptions${path}`)).text()),
    );
    const rows = await database.read({ sql: "select * from subscriptions", args: [] });
    expect((await shown(subscription))["headers"]).toEqual(["Authorization", "X-Other"]);
    for (const text of [...answers, JSON.stringify(rows)]) {
      for (const hidden of [value, "t-77", "u-88", SECRET.slice(6), PRIVATE.slice(5)]) {
        expect(text).not.toContain(hidden);
      }
    }
  });

  test("asks the endpoint for consent, and keeps to the rate it allows", async () => {
    const asked: (string | null)[] = [];
    const url = startReceiver((request) => {
      asked.push(request.headers.get("webhook-request-origin"));
      return consent(request, { origins: ["kilde.example.org"], ratePerMinute: 120 });
    });
    const handshake = { origin: "kilde.example.org" };
    const { subscription } = await create({ url, handshake });
    expect(await shown(subscription)).toMatchObject({ handshake: { ...handshake, ratePerMinute: 120 } });
    expect(asked).toEqual(["kilde.example.org"]);
    // An unrelated change requests no consent.
    await patch(subscription, { description: "another", handshake });
    expect(asked).toHaveLength(1);
    // Another endpoint has to consent, too.
    expect(await problemOf(patch(subscription, { url: startReceiver(() => new Response()) }))).toMatchObject({
      type: "/problems/endpoint-refuses",
      status: 422,
    });
    expect(await shown(subscription)).toMatchObject({ url });
    const other = startReceiver((request) => consent(request, { origins: "*" }));
    expect((await patch(subscription, { url: other })).status).toBe(200);
    expect(await shown(subscription)).toMatchObject({
      url: other,
      handshake: { ...handshake, ratePerMinute: null },
    });
    expect((await patch(subscription, { handshake: null })).status).toBe(200);
    expect(await shown(subscription)).toMatchObject({ handshake: null });
  });

  test("is refused by an endpoint that does not consent, or is not there", async () => {
    const handshake = { origin: "kilde.example.org" };
    const refuses = startReceiver((request) => consent(request, { origins: ["other.example"] }));
    const redirects = startReceiver(() => Response.redirect(HOOK, 307));
    for (const url of [refuses, redirects, "http://127.0.0.1:1/"]) {
      expect(await refused({ url, handshake })).toMatchObject({ type: "/problems/endpoint-refuses" });
    }
    expect(await app.get("/subscriptions")).toEqual({ subscriptions: [] } as never);
  });

  test("needs a key to seal the secret with, and reading needs none", async () => {
    await reopen({ secretKeys: [] });
    expect(await refused({})).toMatchObject({
      type: "/problems/secrets-not-kept",
      status: 501,
      remedy: expect.stringContaining("KILDE_SECRET_KEYS"),
    });
    expect(await app.get("/subscriptions")).toEqual({ subscriptions: [] } as never);
  });

  testInProcess("a subscription that was sealed with another key cannot sign, and reports that", async () => {
    const { subscription } = await create({ headers: { "X-A": "a" } });
    const stored = database;
    const other = `k2:${btoa("fedcba9876543210fedcba9876543210")}`;
    for (const secretKeys of [[], [other], [other.replace("k2", "k1")]]) {
      const again = await openApp({ database: { ...stored, close: () => {} }, clock, secretKeys });
      const path = `/subscriptions/${subscription}`;
      expect(await again.get<object>(path)).toMatchObject({
        status: "failing",
        reason: "secrets cannot be opened",
      });
      for (const verb of ["test", "rotate-secret"]) {
        expect(await problemOf(again.fetch(`${path}/${verb}`, { method: "POST" }))).toMatchObject({
          type: "/problems/secrets-not-kept",
          status: 501,
        });
      }
      expect(again.faults).toEqual([]);
      await again.close();
    }
    const lost = await openApp({ database: { ...stored, close: () => {} }, clock, secretKeys: [other] });
    const path = `/subscriptions/${subscription}`;
    await lost.fetch(`${path}/rotate-secret`, jsonPost({ secret: SECRET, overlapSeconds: 0 }));
    await lost.fetch(path, { ...jsonPost({ headers: { "X-A": "a" } }), method: "PATCH" });
    expect(await lost.get<object>(path)).toMatchObject({ status: "active" });
    await lost.close();
    const both = await openApp({
      database: { ...stored, close: () => {} },
      clock,
      secretKeys: [other, TEST_SECRET_KEY],
    });
    expect(await both.get<object>(`/subscriptions/${subscription}`)).toMatchObject({ status: "active" });
    await both.close();
  });

  test("is refused at the limit of subscriptions", async () => {
    await reopen({ limits: { subscriptions: 2 } });
    await create();
    const { subscription } = await create();
    expect(await refused({})).toMatchObject({ type: "/problems/limit-exceeded", limit: "subscriptions" });
    await app.fetch(`/subscriptions/${subscription}`, { method: "DELETE" });
    await create();
  });
});
