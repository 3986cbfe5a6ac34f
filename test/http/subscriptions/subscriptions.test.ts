import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Ajv2020 as Ajv } from "ajv/dist/2020.js";
import addFormats from "ajv-formats";
import { consent, receive } from "kilde/webhook";

import type { Clock } from "../../../src/core/clock.ts";
import type { Database } from "../../../src/storage/database.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import {
  jsonPost,
  openApp,
  type Problem,
  TEST_SECRET_KEY,
  type TestApp,
  type TestAppOptions,
} from "../../support/app.ts";
import { eventually } from "../../support/eventually.ts";
import { sketch } from "../../support/feeds.ts";
import { newDatabase } from "../../support/new-database.ts";
import { openProjection } from "../../support/projection.ts";
import { runsOn, TESTED_ON, testInProcess } from "../../support/tested-on.ts";
import { PRIVATE, PUBLIC, SECRET } from "../../webhooks/receive/support.ts";

runsOn(["memory", "sqld", "worker"]);

interface Shown {
  readonly subscription: string;
  readonly source: string;
  readonly url: string;
  readonly cursor: number;
  readonly status: string;
  readonly secret?: string | null;
  readonly publicKey?: string | null;
  readonly [member: string]: unknown;
}

const HOOK = "https://hooks.example.org/kilde";
const FEED = sketch({ name: "orders" });

let database: Database;
let app: TestApp;
let changed: string[];
let nowMs: number;

const clock: Clock = { ...systemClock, now: () => nowMs };

async function open(options: TestAppOptions = {}): Promise<TestApp> {
  database = await newDatabase();
  changed = [];
  const feeds = TESTED_ON === "worker" ? {} : { feeds: [FEED] };
  return openApp({ database, clock, ...feeds, onChange: (id) => changed.push(id), ...options });
}

const servers: Bun.Server<undefined>[] = [];

function startReceiver(answer: (request: Request) => Response | Promise<Response>): string {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: answer });
  servers.push(server);
  return `http://127.0.0.1:${server.port}/hook`;
}

beforeEach(async () => {
  nowMs = Date.parse("2026-02-01T12:00:00Z");
  app = await open();
  for (let n = 1; n <= 4; n += 1) {
    await app.append(`user-${n % 2}`, { type: n < 3 ? "A" : "B", data: n });
    nowMs += 1_000;
  }
});
afterEach(async () => {
  expect(app.faults).toEqual([]);
  await app.close();
  await Promise.all(servers.splice(0).map((server) => server.stop(true)));
});

const post = (path: string, body?: unknown) =>
  app.fetch(path, body === undefined ? { method: "POST" } : jsonPost(body));
const patch = (id: string, body: unknown) =>
  app.fetch(`/subscriptions/${id}`, { ...jsonPost(body), method: "PATCH" });

async function create(body: object = {}): Promise<Shown> {
  const response = await post("/subscriptions", { source: "/events", url: HOOK, ...body });
  if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`);
  return (await response.json()) as Shown;
}

const shown = (id: string) => app.get<Shown>(`/subscriptions/${id}`);

async function problemOf(response: Response | Promise<Response>): Promise<Problem> {
  const answer = await response;
  expect(answer.headers.get("content-type")).toBe("application/problem+json");
  return (await answer.json()) as Problem;
}

const refused = (body: object) =>
  problemOf(post("/subscriptions", { source: "/events", url: HOOK, ...body }));

/** A schema that refuses members that it does not describe. */
function strict<Schema>(schema: Schema): Schema {
  return JSON.parse(JSON.stringify(schema), (_, value: unknown) =>
    typeof value === "object" && value !== null && "type" in value && value.type === "object"
      ? { additionalProperties: false, ...value }
      : value,
  ) as Schema;
}

/** Writes a row that only the dispatcher writes: a subject that is blocked at a version. */
async function block(id: string, subject: string, version: number, source = "/events"): Promise<void> {
  await database.write([
    {
      sql: `insert into subscription_subjects (subscription, subject, next, attempts, due, error, since)
        select ?1, subject.id, ?3, 2, 1900000000000, 'status 422', '2026-02-01T12:00:00.000Z'
        from subjects as subject
        where subject.name = ?2 and subject.log = (select id from logs where name = ?4)`,
      args: [id, subject, version, source],
    },
  ]);
}

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
      attempts: null,
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
    await app.close();
    app = await open({ secretKeys: [] });
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
    await app.close();
    app = await open({ limits: { subscriptions: 2 } });
    await create();
    const { subscription } = await create();
    expect(await refused({})).toMatchObject({ type: "/problems/limit-exceeded", limit: "subscriptions" });
    await app.fetch(`/subscriptions/${subscription}`, { method: "DELETE" });
    await create();
  });
});

describe("bad input", () => {
  test.each<[object, string, RegExp]>([
    [{ url: "hooks.example.org" }, "/url", /must be a URL/],
    [{ url: "" }, "/url", /must be a URL/],
    [{ url: 7 }, "/url", /string/],
    [{ url: "ftp://hooks.example.org/" }, "/url", /http/],
    [{ url: "https://ida:secret@hooks.example.org/" }, "/url", /user name/],
    [{ url: "http://10.0.0.1/" }, "/url", /private/],
    [{ url: "http://2130706434/" }, "/url", /private/],
    [{ url: "http://localhost./" }, "/url", /private/],
    [{ url: "http://[::ffff:169.254.169.254]/" }, "/url", /private/],
    [{ url: `https://a.test/${"x".repeat(2_048)}` }, "/url", /2048/],
    [{ source: "/streams/user-1" }, "/source", /no log/],
    [{ source: "/feeds/orders/v2" }, "/source", /no log/],
    [{ source: "events" }, "/source", /no log/],
    [{ types: [] }, "/types", /./],
    [{ types: ["A", ""] }, "/types/1", /./],
    [{ types: "A" }, "/types", /array/],
    [{ subjectPrefix: "x".repeat(257) }, "/subjectPrefix", /256/],
    [{ mode: "burst" }, "/mode", /single/],
    [{ mode: "batch", batch: { events: 0 } }, "/batch/events", /./],
    [{ mode: "batch", batch: { size: 1 } }, "/batch/size", /Not known/],
    [{ concurrency: 0 }, "/concurrency", /./],
    [{ concurrency: 1_000 }, "/concurrency", /256/],
    [{ attempts: 0 }, "/attempts", /./],
    [{ headers: { "Webhook-Id": "1" } }, "/headers", /set by the sender/],
    [{ headers: { Host: "a" } }, "/headers", /set by the sender/],
    [{ headers: { "X-A": "a\r\nX-B: b" } }, "/headers", /control characters/],
    [{ headers: { "X A": "a" } }, "/headers", /not a header name/],
    [{ headers: { "X-A": "1", "x-a": "2" } }, "/headers", /twice/],
    [{ handshake: { origin: "not a name" } }, "/handshake/origin", /./],
    [{ secret: "whsec_abc" }, "/secret", /./],
    [{ secret: PUBLIC }, "/secret", /./],
    [{ signature: "rsa" }, "/signature", /./],
    [{ start: "yesterday" }, "/start", /beginning/],
    [{ start: { position: -1 } }, "/start/position", />=0/],
    [{ start: { time: "yesterday" } }, "/start/time", /RFC 3339/],
    [{ start: { time: "2026-02-01T12:00:00" } }, "/start/time", /offset/],
    [{ colour: "red" }, "/colour", /Not known/],
  ])("%j is refused at %s", async (body, pointer, detail) => {
    const problem = await refused(body);
    expect(problem).toMatchObject({ type: "/problems/invalid-body", status: 422, errors: [{ pointer }] });
    expect(problem.errors?.[0]?.detail).toMatch(detail);
    expect(await app.get("/subscriptions")).toEqual({ subscriptions: [] } as never);
  });

  test("a refused start beyond the head states the head", async () => {
    expect(await refused({ start: { position: 5 } })).toMatchObject({
      type: "/problems/cursor-beyond-head",
      status: 400,
      head: 4,
    });
  });

  test("a secret that is refused is not repeated", async () => {
    const secret = `whsec_${"!".repeat(8)}c2VjcmV0`;
    expect(JSON.stringify(await refused({ secret }))).not.toContain(secret.slice(6));
  });

  test.each(["null", "[]", '"text"', "7"])("the body %s is no subscription", async (body) => {
    expect(await problemOf(post("/subscriptions", body))).toMatchObject({ type: "/problems/invalid-body" });
  });

  test("a body that is not JSON, or has a member twice, is reported as such", async () => {
    for (const body of ["{", `{"url":"${HOOK}","url":"http://10.0.0.1/"}`]) {
      expect(await problemOf(post("/subscriptions", body))).toMatchObject({
        type: "/problems/malformed-json",
      });
    }
    expect(await problemOf(post("/subscriptions"))).toMatchObject({ type: "/problems/invalid-body" });
  });

  test("a missing subscription is not found by any operation", async () => {
    const calls: readonly [string, string][] = [
      ["GET", ""],
      ["PATCH", ""],
      ["DELETE", ""],
      ["POST", "/pause"],
      ["POST", "/resume"],
      ["POST", "/rewind"],
      ["POST", "/test"],
      ["POST", "/rotate-secret"],
      ["GET", "/attempts"],
      ["GET", "/blocked"],
      ["GET", "/skips"],
      ["POST", "/blocked/user-1/retry"],
      ["POST", "/blocked/user-1/skip"],
    ];
    for (const [method, path] of calls) {
      expect(await problemOf(app.fetch(`/subscriptions/sub_none${path}`, { method }))).toMatchObject({
        type: "/problems/subscription-not-found",
        status: 404,
      });
    }
  });

  test("a missing method is refused with the existing ones", async () => {
    const response = await app.fetch("/subscriptions/sub_none", { method: "PUT" });
    expect(response.status).toBe(405);
    expect(response.headers.get("allow")).toBe("GET, PATCH, DELETE, HEAD, OPTIONS");
  });
});

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
    nowMs += 60_000;
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
    expect(await problemOf(post(`${path}/pause`, { reason: "" }))).toMatchObject({
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
          const delivery = await receive(request.clone(), key, { now: () => nowMs }).catch(() => null);
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
    nowMs += 60_001;
    await deliverTest();
    expect(verified).toEqual([known, known.slice(1)]);
    await post(`/subscriptions/${subscription}/rotate-secret`, { overlapSeconds: 0, secret: SECRET });
    await deliverTest();
    expect(verified[2]).toEqual([SECRET]);
  });
});

describe("a feed that is delivered", () => {
  const retire = (query = "") => app.fetch(`/feeds/orders/v1${query}`, { method: "DELETE" });

  testInProcess("is not retired while a subscription that is not paused delivers it", async () => {
    const { subscription } = await create({ source: FEED.path });
    const paused = await create({ source: FEED.path });
    await post(`/subscriptions/${paused.subscription}/pause`);
    const problem = await problemOf(retire());
    expect(problem).toMatchObject({ type: "/problems/feed-in-use", status: 409 });
    expect(problem.detail).toContain(subscription);
    expect(problem.detail).not.toContain(paused.subscription);
    expect((await app.fetch(FEED.path)).status).toBe(200);
    await post(`/subscriptions/${subscription}/pause`);
    expect((await retire()).status).toBe(202);
    expect(await shown(subscription)).toMatchObject({ status: "paused", reason: "requested" });
  });

  testInProcess(
    "is retired by force; its subscriptions are paused permanently, others continue",
    async () => {
      const { subscription } = await create({ source: FEED.path });
      const other = await create();
      expect((await retire("?force=true")).status).toBe(202);
      expect(changed.at(-1)).toBe(subscription);
      expect(await shown(subscription)).toMatchObject({ status: "paused", reason: "source retired" });
      expect(await shown(other.subscription)).toMatchObject({ status: "active" });
      expect(await problemOf(post(`/subscriptions/${subscription}/resume`))).toMatchObject({
        type: "/problems/feed-retired",
        status: 410,
      });
      expect(await refused({ source: FEED.path })).toMatchObject({ errors: [{ pointer: "/source" }] });
      const response = await app.fetch(`/subscriptions/${subscription}`, { method: "DELETE" });
      expect(response.status).toBe(204);
    },
  );
});

testInProcess("metrics report the state of each subscription", async () => {
  const { subscription } = await create({ start: { position: 1 } });
  const other = await create({ source: FEED.path });
  await block(subscription, "user-1", 3);
  await post(`/subscriptions/${other.subscription}/pause`);
  nowMs += 1_000;
  const response = await app.fetch("/metrics");
  const lines = (await response.text()).split("\n");
  const of = (name: string, { id = subscription, source = "/events", status = "" } = {}) =>
    `kilde_subscription_${name}{subscription="${id}",source="${source}"${status === "" ? "" : `,status="${status}"`}}`;
  const paused = { id: other.subscription, source: FEED.path };
  expect(lines).toEqual(
    expect.arrayContaining([
      `${of("cursor")} 1`,
      `${of("lag_events")} 3`,
      `${of("lag_seconds")} 4`,
      `${of("blocked_subjects")} 1`,
      `${of("status", { status: "failing" })} 1`,
      `${of("status", { status: "active" })} 0`,
      `${of("lag_events", paused)} 0`,
      `${of("status", { ...paused, status: "paused" })} 1`,
    ]),
  );
});

testInProcess("every answer is as /openapi.json describes it", async () => {
  const { paths, components } = await app.get<{
    paths: Record<
      string,
      Record<string, { responses: Record<string, { content: Record<string, { schema: object }> }> }>
    >;
    components: object;
  }>("/openapi.json");
  const ajv = addFormats(new Ajv({ strict: false }));
  const check = async (method: string, path: string, response: Response) => {
    const body: unknown = await response.json();
    const schema = paths[path]?.[method]?.responses[response.status]?.content["application/json"]?.schema;
    if (schema === undefined) throw new Error(`${method} ${path} ${response.status} is not described`);
    const validate = ajv.compile({ ...strict(schema), components: strict(components) });
    if (!validate(body)) throw new Error(`${method} ${path}: ${ajv.errorsText(validate.errors)}`);
  };
  const one = "/subscriptions/{subscription}";
  const url = startReceiver((request) => consent(request, { origins: "*" }));
  const body = { source: "/events", url, mode: "batch", handshake: { origin: "a.test" } };
  const { subscription } = await create({ ...body, start: "beginning" });
  await check("post", "/subscriptions", await post("/subscriptions", body));
  await block(subscription, "user-0", 1);
  await block(subscription, "user-1", 1);
  for (const [method, path, sent] of [
    ["get", ""],
    ["patch", "", { attempts: 1 }],
    ["get", "/blocked"],
    ["post", "/blocked/{subject}/skip"],
    ["get", "/skips"],
    ["get", "/attempts"],
    ["post", "/test"],
    ["post", "/rotate-secret"],
    ["post", "/rewind", { dryRun: true }],
    ["post", "/pause"],
    ["post", "/resume"],
  ] as const) {
    const concrete = path.replace("{subject}", "user-1");
    const init = {
      method: method.toUpperCase(),
      ...(sent === undefined ? {} : { body: JSON.stringify(sent) }),
    };
    await check(method, one + path, await app.fetch(`/subscriptions/${subscription}${concrete}`, init));
  }
  await check("get", "/subscriptions", await app.fetch("/subscriptions"));
});

describe("a feed that is emptied while subjects of it are blocked", () => {
  const DRAFT = { ...sketch({ name: "drafts" }), draft: true };

  /** Delivered, with a subject that is blocked and an event that was skipped. */
  async function delivered(path: string): Promise<string> {
    await app.close();
    app = await open({ feeds: [FEED, DRAFT] });
    await app.append("user-1", { type: "A" }, { type: "A" });
    await app.append("user-2", { type: "A" });
    const { drain } = await openProjection({ database, writer: app.store.writer }, [FEED, DRAFT]);
    await drain();
    const { subscription } = await create({ source: path, start: "beginning" });
    await block(subscription, "user-1", 1, path);
    await block(subscription, "user-2", 1, path);
    const skipped = await post(`/subscriptions/${subscription}/blocked/user-2/skip`);
    expect(skipped.status).toBe(200);
    return subscription;
  }

  const statusOf = async (name: string) => {
    const sql = "select status from feeds where name = ?1";
    return (await database.read({ sql, args: [name] }))[0]?.[0];
  };

  testInProcess("is retired", async () => {
    const subscription = await delivered(FEED.path);
    expect((await app.fetch(`${FEED.path}?force=true`, { method: "DELETE" })).status).toBe(202);
    await eventually(async () => (await statusOf("orders")) === "retired");
    expect(await shown(subscription)).toMatchObject({ status: "paused", blocked: 0 });
    expect(await app.get<object>(`/subscriptions/${subscription}/skips`)).toEqual({ skips: [] });
  });

  testInProcess("is built again, and delivery continues", async () => {
    const subscription = await delivered(DRAFT.path);
    expect((await post(`${DRAFT.path}/rebuild`)).status).toBe(202);
    await eventually(async () => (await statusOf("drafts")) === "building");
    expect(await shown(subscription)).toMatchObject({ status: "active", blocked: 0, cursor: 0 });
  });
});

describe("a test", () => {
  testInProcess("is a signed event without data, with the headers; its outcome is returned", async () => {
    const seen: object[] = [];
    let status = 204;
    const url = startReceiver(async (request) => {
      const delivery = await receive(request, SECRET, { now: () => nowMs });
      const { kind, source } = delivery;
      seen.push({ kind, source, tenant: request.headers.get("x-tenant") });
      return new Response(null, { status });
    });
    const { subscription } = await create({ url, secret: SECRET, headers: { "X-Tenant": "t-7" } });
    const send = async () => (await post(`/subscriptions/${subscription}/test`)).json();
    expect(await send()).toMatchObject({ acknowledged: true, error: null });
    status = 500;
    expect(await send()).toMatchObject({ acknowledged: false, error: "status 500" });
    status = 410;
    expect(await send()).toMatchObject({ acknowledged: false, error: "status 410" });
    expect(seen).toEqual([1, 2, 3].map(() => ({ kind: "test", source: "/events", tenant: "t-7" })));
    // It changes nothing.
    expect(await shown(subscription)).toMatchObject({ status: "active", cursor: 4 });
    await patch(subscription, { url: "http://127.0.0.1:1/" });
    expect(await send()).toMatchObject({ acknowledged: false, error: "connection" });
  });
});

describe("rewinding", () => {
  const rewind = (id: string, body?: unknown) => post(`/subscriptions/${id}/rewind`, body);

  test.each<[object | undefined, { events: number; subjects: number }]>([
    [undefined, { events: 4, subjects: 2 }],
    [{ after: 2 }, { events: 2, subjects: 2 }],
    [
      { after: 1, upTo: 3 },
      { events: 2, subjects: 2 },
    ],
    [
      { after: 3, upTo: 3 },
      { events: 0, subjects: 0 },
    ],
    [{ upTo: 1_000 }, { events: 4, subjects: 2 }],
    [{ subjects: ["user-1"] }, { events: 2, subjects: 1 }],
    [{ subjects: ["user-1", "user-1"] }, { events: 2, subjects: 1 }],
    [
      { subjects: ["user-1", "user-0"], after: 2 },
      { events: 2, subjects: 2 },
    ],
    [
      { subjects: ["user-1"], after: 1, upTo: 2 },
      { events: 0, subjects: 0 },
    ],
    [{ subjects: ["nobody"] }, { events: 0, subjects: 0 }],
  ])("counts the events of %j first, and then delivers them again", async (body, counted) => {
    const { subscription } = await create();
    const dry = await rewind(subscription, { ...body, dryRun: true });
    expect(dry.status).toBe(200);
    expect(await dry.json()).toEqual({ ...counted, dryRun: true });
    expect(await shown(subscription)).toMatchObject({ status: "active", rewind: null });
    const done = await rewind(subscription, body);
    expect(done.status).toBe(202);
    expect(await done.json()).toEqual({ ...counted, dryRun: false });
  });

  test("counts only the selected events", async () => {
    const { subscription } = await create({ types: ["A"], subjectPrefix: "user-1" });
    const count = async (body: object) => (await rewind(subscription, { ...body, dryRun: true })).json();
    expect(await count({})).toMatchObject({ events: 1, subjects: 1 });
    expect(await count({ subjects: ["user-1"] })).toMatchObject({ events: 1, subjects: 1 });
    expect(await count({ subjects: ["user-0"] })).toMatchObject({ events: 0, subjects: 0 });
  });

  test("is shown by the subscription until it is done", async () => {
    const { subscription } = await create();
    await rewind(subscription, { after: 1 });
    expect(await shown(subscription)).toMatchObject({
      status: "catching-up",
      rewind: { after: 1, upTo: 4 },
      cursor: 4,
    });
    expect(await problemOf(patch(subscription, { mode: "doorbell" }))).toMatchObject({
      type: "/problems/invalid-body",
      errors: [{ pointer: "/mode" }],
    });
  });

  test.each<[object, string]>([
    [{ after: 5 }, "/after"],
    [{ after: -1 }, "/after"],
    [{ after: 3, upTo: 2 }, "/upTo"],
    [{ subjects: [] }, "/subjects"],
    [{ subjects: [""] }, "/subjects/0"],
    [{ until: 3 }, "/until"],
  ])("refuses %j", async (body, pointer) => {
    const { subscription } = await create();
    expect(await problemOf(rewind(subscription, body))).toMatchObject({
      type: "/problems/invalid-body",
      errors: [{ pointer }],
    });
  });

  test("is refused for a doorbell", async () => {
    const { subscription } = await create({ mode: "doorbell" });
    expect(await problemOf(rewind(subscription))).toMatchObject({ type: "/problems/invalid-body" });
  });
});

describe("blocked subjects", () => {
  testInProcess("are listed by name, retried and skipped; a skip is recorded", async () => {
    await app.append("a/b c", { type: "A" });
    const { subscription } = await create({ start: "beginning" });
    const path = `/subscriptions/${subscription}`;
    await block(subscription, "user-1", 1);
    await block(subscription, "a/b c", 1);
    expect(await shown(subscription)).toMatchObject({
      status: "failing",
      reason: "blocked subjects",
      blocked: 2,
    });
    const listed = async (query = "") =>
      (await app.get<{ blocked: object[] }>(`${path}/blocked${query}`)).blocked;
    const entry = {
      sequence: "0000000000000001",
      attempts: 2,
      error: "status 422",
      since: "2026-02-01T12:00:00.000Z",
      nextAttempt: "2030-03-17T17:46:40.000Z",
    };
    const [first, second] = [
      { subject: "a/b c", position: 5, ...entry },
      { subject: "user-1", position: 1, ...entry },
    ];
    expect(await listed()).toEqual([first, second]);
    expect(await listed("?limit=1")).toEqual([first]);
    expect(await listed(`?cursor=${encodeURIComponent("a/b c")}`)).toEqual([second]);
    const retried = await post(`${path}/blocked/${encodeURIComponent("a/b c")}/retry`);
    expect(retried.status).toBe(202);
    expect(await listed("?limit=1")).toMatchObject([{ nextAttempt: "1970-01-01T00:00:00.000Z" }]);
    // Only what the caller means is skipped.
    for (const sequence of [2, "0000000000000002"]) {
      expect(await problemOf(post(`${path}/blocked/user-1/skip`, { sequence }))).toMatchObject({
        type: "/problems/subject-not-blocked",
        status: 409,
      });
    }
    const skipped = await post(`${path}/blocked/user-1/skip`, { sequence: "0000000000000001" });
    expect(await skipped.json()).toEqual({ subject: "user-1", sequence: "0000000000000001" });
    expect(await listed()).toHaveLength(1);
    expect(await app.get<object>(`${path}/skips`)).toEqual({
      skips: [
        {
          subject: "user-1",
          sequence: "0000000000000001",
          time: "2026-02-01T12:00:04.000Z",
          attempts: 2,
          error: "status 422",
        },
      ],
    });
    expect(await problemOf(post(`${path}/blocked/user-1/skip`))).toMatchObject({ status: 409 });
    expect(changed).toHaveLength(3);
  });

  test("one that is not blocked can be neither retried nor skipped", async () => {
    const { subscription } = await create();
    for (const verb of ["retry", "skip"]) {
      for (const subject of ["user-1", "nobody"]) {
        expect(
          await problemOf(post(`/subscriptions/${subscription}/blocked/${subject}/${verb}`)),
        ).toMatchObject({ type: "/problems/subject-not-blocked", status: 409 });
      }
    }
    expect(
      await problemOf(post(`/subscriptions/${subscription}/blocked/user-1/skip`, { sequence: 0 })),
    ).toMatchObject({ type: "/problems/invalid-body", errors: [{ pointer: "/sequence" }] });
  });

  test("attempts are empty before the first", async () => {
    const { subscription } = await create();
    expect(await app.get<object>(`/subscriptions/${subscription}/attempts`)).toEqual({ attempts: [] });
  });
});
