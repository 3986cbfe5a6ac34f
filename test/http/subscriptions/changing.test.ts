import { describe, expect, test } from "bun:test";
import { receive } from "kilde/webhook";

import { runsOn, testInProcess } from "../../support/tested-on.ts";
import { PRIVATE, PUBLIC, SECRET } from "../../webhooks/receive/support.ts";
import {
  advance,
  app,
  block,
  changed,
  create,
  database,
  nowOfClock,
  openAppForEach,
  patch,
  post,
  problemOf,
  shown,
  type Shown,
  startReceiver,
} from "./subscribing.ts";

runsOn(["memory", "sqld", "worker"]);
openAppForEach();

describe("listing subscriptions", () => {
  test("returns a page at a time, with a link to the next", async () => {
    const made = [];
    for (let n = 0; n < 5; n += 1) made.push((await create()).subscription);
    const seen: string[] = [];
    let next: string | undefined = "/subscriptions?limit=2";
    while (next !== undefined) {
      const response = await app.fetch(next);
      const { subscriptions } = (await response.json()) as { subscriptions: Shown[] };
      seen.push(...subscriptions.map(({ subscription }) => subscription));
      next = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
      if (next !== undefined) next = new URL(next, "http://kilde.test/subscriptions").href.slice(17);
    }
    expect(seen).toEqual(made.toSorted());
  });

  test.each(["limit=0", "limit=x", "limit=10001", "offset=1"])("refuses the query %s", async (query) => {
    expect(await problemOf(app.fetch(`/subscriptions?${query}`))).toMatchObject({
      type: "/problems/invalid-parameter",
      errors: [{ parameter: query.slice(0, query.indexOf("=")) }],
    });
  });
});

describe("changing a subscription", () => {
  testInProcess("changes only the stated members", async () => {
    const body = { types: ["A"], mode: "batch", batch: { events: 5, bytes: 500 }, headers: { "X-A": "a" } };
    const { subscription, secret: _, publicKey: __, ...before } = await create({ ...body, attempts: 4 });
    const unchanged = (await (await patch(subscription, {})).json()) as Shown;
    expect(unchanged).toEqual({ subscription, ...before });
    expect(await (await patch(subscription, { concurrency: 3 })).json()).toEqual({
      subscription,
      ...before,
      concurrency: 3,
    });
    // Members of `batch`, too, are as they were unless they are stated.
    expect(await (await patch(subscription, { batch: { events: 6 } })).json()).toMatchObject({
      batch: { events: 6, bytes: 500 },
    });
    expect(
      await (await patch(subscription, { types: null, attempts: null, headers: {} })).json(),
    ).toMatchObject({
      types: null,
      attempts: null,
      headers: [],
    });
    expect(await (await patch(subscription, { mode: "single" })).json()).toMatchObject({ batch: null });
    expect(await (await patch(subscription, { mode: "doorbell" })).json()).toMatchObject({
      mode: "doorbell",
    });
    expect(changed.at(-1)).toBe(subscription);
  });

  test("loses nothing that is stated at the same time", async () => {
    const { subscription } = await create();
    const changes = [{ concurrency: 3 }, { attempts: 9 }, { description: "cards" }, { types: ["A"] }];
    await Promise.all(changes.map((change) => patch(subscription, change)));
    expect(await shown(subscription)).toMatchObject(Object.assign({}, ...changes) as object);
  });

  test("sends the headers of one server to no other", async () => {
    const { subscription, ...before } = await create({ headers: { Authorization: "Bearer secret" } });
    const { origin, port } = new URL(before.url);
    const other = `http://127.0.0.1:${port === "9" ? 8 : 9}/`;
    expect(await problemOf(patch(subscription, { url: other }))).toMatchObject({
      type: "/problems/invalid-body",
      errors: [{ pointer: "/headers" }],
    });
    expect(await shown(subscription)).toMatchObject({ url: before["url"], headers: ["Authorization"] });
    expect(await (await patch(subscription, { url: `${origin}/other` })).json()).toMatchObject({
      headers: ["Authorization"],
    });
    expect(await (await patch(subscription, { url: other, headers: {} })).json()).toMatchObject({
      headers: [],
    });
  });

  test.each<[object, string]>([
    [{ url: "http://10.0.0.1/" }, "/url"],
    [{ headers: { Host: "a" } }, "/headers"],
    [{ source: "/events" }, "/source"],
    [{ start: "beginning" }, "/start"],
    [{ secret: SECRET }, "/secret"],
    [{ batch: { events: 0 } }, "/batch/events"],
    [{ mode: null }, "/mode"],
  ])("refuses %j", async (body, pointer) => {
    const { subscription, secret: _, publicKey: __, ...before } = await create();
    expect(await problemOf(patch(subscription, body))).toMatchObject({
      type: "/problems/invalid-body",
      errors: [{ pointer }],
    });
    expect(await shown(subscription)).toEqual({ subscription, ...before });
  });

  testInProcess("pauses with a reason, keeps the cursor, and resumes", async () => {
    const { subscription } = await create({ start: "beginning" });
    const path = `/subscriptions/${subscription}`;
    expect(await (await post(`${path}/pause`)).json()).toMatchObject({
      status: "paused",
      reason: "requested",
      cursor: 0,
    });
    advance(60_000);
    expect(await (await post(`${path}/pause`, { reason: "moving house" })).json()).toMatchObject({
      reason: "moving house",
      since: "2026-02-01T12:00:04.000Z",
    });
    expect(await (await post(`${path}/resume`)).json()).toMatchObject({
      status: "active",
      reason: null,
      cursor: 0,
      since: "2026-02-01T12:01:04.000Z",
    });
    for (const reason of ["", "a\0b"])
      expect(await problemOf(post(`${path}/pause`, { reason }))).toMatchObject({
        type: "/problems/invalid-body",
      });
  });

  test("removes it, with all that is stored of it", async () => {
    const { subscription } = await create({ start: "beginning" });
    await block(subscription, "user-1", 1);
    await post(`/subscriptions/${subscription}/blocked/user-1/skip`);
    const response = await app.fetch(`/subscriptions/${subscription}`, { method: "DELETE" });
    expect(response.status).toBe(204);
    expect(await response.text()).toBe("");
    expect(await problemOf(app.fetch(`/subscriptions/${subscription}`))).toMatchObject({ status: 404 });
    for (const table of [
      "subscriptions",
      "subscription_subjects",
      "subscription_skips",
      "subscription_attempts",
      "kept_attempts",
    ]) {
      expect(await database.read({ sql: `select 1 from ${table}`, args: [] })).toEqual([]);
    }
  });

  test("rotates the secret: keeps its kind, and takes a given one", async () => {
    const { subscription, secret } = await create();
    const rotate = async (body?: unknown) => {
      const response = await post(`/subscriptions/${subscription}/rotate-secret`, body);
      expect(response.headers.get("cache-control")).toBe("no-store");
      return (await response.json()) as { secret: string | null; publicKey: string | null };
    };
    const second = await rotate();
    expect(second).toEqual({ secret: expect.stringMatching(/^whsec_/), publicKey: null });
    expect(second.secret).not.toBe(secret ?? null);
    expect(await rotate({ secret: PRIVATE, overlapSeconds: 60 })).toEqual({
      secret: null,
      publicKey: PUBLIC,
    });
    expect(await rotate()).toEqual({ secret: null, publicKey: expect.stringMatching(/^whpk_/) });
    expect(
      await problemOf(post(`/subscriptions/${subscription}/rotate-secret`, { overlapSeconds: 7e5 })),
    ).toMatchObject({ type: "/problems/invalid-body", errors: [{ pointer: "/overlapSeconds" }] });
  });

  testInProcess("the old secret signs beside the new one until the overlap ends", async () => {
    const verified: string[][] = [];
    const known: string[] = [];
    const url = startReceiver(async (request) => {
      const results = await Promise.all(
        known.map(async (key) => {
          const delivery = await receive(request.clone(), key, { now: nowOfClock }).catch(() => null);
          return delivery === null ? null : key;
        }),
      );
      verified.push(results.filter((key) => key !== null));
      return new Response();
    });
    const { subscription, secret } = await create({ url, secret: SECRET });
    known.push(secret ?? "");
    const rotated = await post(`/subscriptions/${subscription}/rotate-secret`, { overlapSeconds: 60 });
    known.push(((await rotated.json()) as { secret: string }).secret);
    const deliverTest = () => post(`/subscriptions/${subscription}/test`);
    await deliverTest();
    advance(60_001);
    await deliverTest();
    expect(verified).toEqual([known, known.slice(1)]);
    await post(`/subscriptions/${subscription}/rotate-secret`, { overlapSeconds: 0, secret: SECRET });
    await deliverTest();
    expect(verified[2]).toEqual([SECRET]);
  });
});
