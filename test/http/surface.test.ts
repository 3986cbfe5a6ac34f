import { afterAll, beforeAll, describe, expect, test } from "bun:test";

import { PROBLEMS } from "../../src/core/problems.ts";
import type { Database } from "../../src/storage/database.ts";
import { UNANSWERED } from "../../src/storage/failures.ts";
import { jsonPost, openApp, type Problem, type TestApp } from "../support/app.ts";
import { newDatabase } from "../support/new-database.ts";
import { runsOn, testInProcess } from "../support/tested-on.ts";

runsOn(["memory", "sqld", "worker"]);

let app: TestApp;
beforeAll(async () => {
  app = await openApp();
  await app.append("s", ...Array.from({ length: 200 }, (_, n) => ({ type: "T", data: { n } })));
});
afterAll(() => app.close());

testInProcess(
  "reads of a database that does not answer are refused, and distinguished from faults",
  async () => {
    const database = await newDatabase();
    let reachable = true;
    const read: Database["read"] = (statement) =>
      reachable
        ? database.read(statement)
        : Promise.reject(Object.assign(new Error("no answer"), { code: UNANSWERED }));
    const away = await openApp({ database: { ...database, read } });
    reachable = false;
    for (const path of ["/events", "/streams/s", "/streams", "/streams?prefix=s"]) {
      const response = await away.fetch(path);
      expect(response.status).toBe(503);
      expect(await response.json()).toMatchObject({ type: "/problems/storage-unavailable" });
    }
    reachable = true;
    await away.close();
  },
);

interface OpenApi {
  readonly openapi: string;
  readonly paths: Record<string, Record<string, { parameters?: { name: string }[]; requestBody?: object }>>;
  readonly components: { readonly schemas: Record<string, object> };
}

test("/openapi.json describes every operation, its parameters and its bodies", async () => {
  const document = await app.get<OpenApi>("/openapi.json");
  expect(document.openapi).toBe("3.1.0");
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );
  expect(operations.toSorted()).toEqual(
    [
      "delete /events/consumers/{consumer}",
      "delete /feeds/{feed}/v{version}",
      "delete /feeds/{feed}/v{version}/consumers/{consumer}",
      "delete /session",
      "delete /streams/{stream}",
      "get /",
      "get /appends/{idempotencyKey}",
      "get /changes",
      "get /events",
      "get /events/consumers",
      "get /events/consumers/{consumer}",
      "get /events/consumers/{consumer}/lag",
      "get /events/correlated",
      "get /feeds",
      "get /feeds/{feed}/v{version}",
      "get /feeds/{feed}/v{version}/consumers",
      "get /feeds/{feed}/v{version}/consumers/{consumer}",
      "get /feeds/{feed}/v{version}/consumers/{consumer}/lag",
      "get /feeds/{feed}/v{version}/schemas",
      "get /feeds/{feed}/v{version}/status",
      "get /feeds/{feed}/v{version}/subjects",
      "get /feeds/{feed}/v{version}/subjects/{subject}",
      "get /health",
      "get /metrics",
      "get /overview",
      "get /problems/{code}",
      "get /ready",
      "get /session",
      "get /session/oidc",
      "get /session/oidc/callback",
      "get /streams",
      "get /streams/{stream}",
      "post /feeds/{feed}/v{version}/rebuild",
      "post /feeds/{feed}/v{version}/resume",
      "post /session",
      "post /streams/{stream}",
      "post /appends",
      "post /transactions",
      "get /subscriptions",
      "post /subscriptions",
      "get /subscriptions/{subscription}",
      "patch /subscriptions/{subscription}",
      "delete /subscriptions/{subscription}",
      "post /subscriptions/{subscription}/pause",
      "post /subscriptions/{subscription}/resume",
      "post /subscriptions/{subscription}/rewind",
      "post /subscriptions/{subscription}/test",
      "post /subscriptions/{subscription}/rotate-secret",
      "post /subscriptions/{subscription}/blocked/{subject}/retry",
      "post /subscriptions/{subscription}/blocked/{subject}/skip",
      "get /subscriptions/{subscription}/attempts",
      "get /subscriptions/{subscription}/blocked",
      "get /subscriptions/{subscription}/skips",
      "get /operations",
      "get /operations/subjects",
      "get /operations/subjects/{subject}",
      "get /operations/consumers",
      "get /operations/consumers/{consumer}",
      "get /operations/consumers/{consumer}/lag",
      "put /operations/consumers/{consumer}",
      "delete /operations/consumers/{consumer}",
      "get /keys",
      "post /keys",
      "get /keys/{key}",
      "delete /keys/{key}",
      "post /keys/{key}/rotate",
      "get /openapi.json",
      "get /asyncapi.json",
      "put /events/consumers/{consumer}",
      "put /feeds/{feed}/v{version}/consumers/{consumer}",
    ].toSorted(),
  );
  const parameters = document.paths["/events"]?.["get"]?.parameters?.map(({ name }) => name);
  expect(parameters).toEqual(
    expect.arrayContaining(["lastEventId", "limit", "timeout", "direction", "type", "subjectPrefix"]),
  );
  for (const path of ["/events", "/streams", "/streams/{stream}", "/feeds/{feed}/v{version}"]) {
    expect(JSON.stringify(document.paths[path]?.["get"])).toContain("kilde-position");
  }
  expect(JSON.stringify(document.paths["/streams/{stream}"]?.["post"])).toContain(
    "#/components/schemas/Append",
  );
  expect(Object.keys(document.components.schemas)).toEqual(
    expect.arrayContaining(["Append", "Event", "NewEvent", "Problem", "Transaction"]),
  );
});

test("every problem type leads to its meaning", async () => {
  for (const [code, { status, title, remedy }] of Object.entries(PROBLEMS)) {
    expect(await app.get<object>(`/problems/${code}`)).toEqual({ code, status, title, remedy });
  }
});

test("/health, /ready and / answer", async () => {
  expect(await app.get<object>("/health")).toEqual({ status: "ok", version: expect.any(String) });
  expect(await app.get<object>("/ready")).toMatchObject({ status: "ready" });
  expect(await app.get<object>("/")).toMatchObject({ name: "kilde" });
});

testInProcess("pages are compressed for who asks, event streams are not", async () => {
  const page = await app.fetch("/events", { headers: { "accept-encoding": "gzip" } });
  expect(page.headers.get("content-encoding")).toBe("gzip");
  expect(page.headers.get("vary")).toContain("Accept-Encoding");
  const text = await new Response(page.body?.pipeThrough(new DecompressionStream("gzip"))).text();
  expect(JSON.parse(text)).toEqual(await app.get("/events"));
  const small = await app.fetch("/health", { headers: { "accept-encoding": "gzip" } });
  expect(small.headers.get("content-encoding")).toBeNull();
  const live = await app.fetch("/events", {
    headers: { accept: "text/event-stream", "accept-encoding": "gzip" },
  });
  expect(live.headers.get("content-encoding")).toBeNull();
  await live.body?.cancel();
});

test("requests have ids, taken over from the caller", async () => {
  const own = await app.fetch("/health");
  expect(own.headers.get("x-request-id")).toMatch(/^[0-9a-f-]{36}$/);
  const given = await app.fetch("/nothing", { headers: { "x-request-id": "abc-1" } });
  expect(given.headers.get("x-request-id")).toBe("abc-1");
});

test("CORS headers are there for the origins that are set, and only then", async () => {
  const origin = "https://app.example";
  const none = await app.fetch("/events", { headers: { origin } });
  expect(none.headers.get("access-control-allow-origin")).toBeNull();
  const open = await openApp({ corsOrigins: [origin] });
  const allowed = await open.fetch("/events", { headers: { origin } });
  expect(allowed.headers.get("access-control-allow-origin")).toBe(origin);
  expect(allowed.headers.get("access-control-expose-headers")).toContain("ETag");
  const other = await open.fetch("/events", { headers: { origin: "https://other.example" } });
  expect(other.headers.get("access-control-allow-origin")).toBeNull();
  for (const path of ["/nothing", "/streams/none", "/feeds/none/v1"]) {
    const missing = await open.fetch(path, { headers: { origin } });
    expect([missing.status, missing.headers.get("access-control-allow-origin")]).toEqual([404, origin]);
  }
  const preflight = await open.fetch("/streams/s", {
    method: "OPTIONS",
    headers: {
      origin,
      "access-control-request-method": "POST",
      "access-control-request-headers": "content-type",
    },
  });
  expect(preflight.status).toBe(204);
  expect(preflight.headers.get("access-control-allow-methods")).toContain("POST");
  await open.close();
});

test("the origin `*` lets pages of all origins read, and only those that are named may change something", async () => {
  const named = "https://app.example";
  const preflight = async (open: TestApp, origin: string, method: string) => {
    const headers = { origin, "access-control-request-method": method };
    const answer = await open.fetch("/streams/s", { method: "OPTIONS", headers });
    return (answer.headers.get("access-control-allow-methods") ?? "").split(",").includes(method);
  };
  for (const corsOrigins of [["*"], ["*", named]]) {
    const open = await openApp({ corsOrigins });
    const other = await open.fetch("/events", { headers: { origin: "https://other.example" } });
    expect(other.status).toBe(200);
    expect(other.headers.get("access-control-allow-origin")).toBe("*");
    expect(await preflight(open, "https://other.example", "GET")).toBe(true);
    expect(await preflight(open, "https://other.example", "POST")).toBe(false);
    expect(await preflight(open, named, "POST")).toBe(corsOrigins.includes(named));
    await open.close();
  }
});

describe("a page of another site", () => {
  const changes = [
    ["POST", "/subscriptions/none/pause"],
    ["POST", "/feeds/none/v1/resume"],
    ["DELETE", "/streams/none"],
    ["PUT", "/events/consumers/none"],
  ] as const;
  const crossSite = async (
    origins: string[],
    method: string,
    path: string,
    headers: Record<string, string>,
  ) => {
    const open = await openApp({ corsOrigins: origins });
    const response = await open.fetch(path, { method, headers });
    const { type } = (await response.json()) as Problem;
    await open.close();
    return type;
  };
  const refused = "/problems/cross-site-request";

  test.each(changes)("cannot have a browser send %s %s", async (method, path) => {
    const evil = { origin: "https://evil.example" };
    expect(await crossSite([], method, path, evil)).toBe(refused);
    expect(await crossSite(["https://app.example"], method, path, evil)).toBe(refused);
    expect(await crossSite([], method, path, { ...evil, "sec-fetch-site": "cross-site" })).toBe(refused);
    expect(await crossSite([], method, path, { "sec-fetch-site": "same-site" })).toBe(refused);
    expect(await crossSite([], method, path, { origin: "null" })).toBe(refused);
  });

  test.each(changes)("may have it send %s %s if its origin is set", async (method, path) => {
    const origin = "https://app.example";
    const headers = { origin, "sec-fetch-site": "cross-site" };
    expect(await crossSite([origin], method, path, headers)).not.toBe(refused);
    expect(await crossSite(["*", origin], method, path, headers)).not.toBe(refused);
    expect(await crossSite(["*"], method, path, headers)).toBe(refused);
    expect(await crossSite(["*", origin], method, path, { ...headers, origin: "*" })).toBe(refused);
  });

  test.each(changes)(
    "is distinguished from Kilde's own pages and from programs: %s %s",
    async (method, path) => {
      const others: Record<string, string>[] = [
        {},
        { "sec-fetch-site": "same-origin", origin: "https://public.example" },
        { "sec-fetch-site": "none" },
      ];
      for (const headers of others) expect(await crossSite([], method, path, headers)).not.toBe(refused);
      const { servers } = await app.get<{ servers: { kilde: { host: string } } }>("/asyncapi.json");
      const response = await app.fetch(path, {
        method,
        headers: { origin: `https://${servers.kilde.host}` },
      });
      expect(((await response.json()) as Problem).type).not.toBe(refused);
    },
  );

  test("may link here: requests that change nothing are answered", async () => {
    const headers = { origin: "https://other.example", "sec-fetch-site": "cross-site" };
    for (const method of ["GET", "HEAD", "OPTIONS"]) {
      expect((await app.fetch("/events", { method, headers })).ok).toBe(true);
    }
  });
});

testInProcess("a fault that nobody foresaw is a 500 with the request's id, and is reported", async () => {
  const broken = await openApp();
  broken.store.reader.page = () => Promise.reject(new Error("boom"));
  const response = await broken.fetch("/events");
  expect(response.status).toBe(500);
  const text = await response.text();
  expect(text).not.toContain("boom");
  expect(text).toContain(response.headers.get("x-request-id") ?? "no id");
  expect(broken.faults).toHaveLength(1);
  await broken.close();
});

testInProcess("after closing, appends are refused", async () => {
  const closed = await openApp();
  await closed.store.writer.close();
  const response = await closed.fetch("/streams/s", jsonPost({ events: [{ type: "T" }] }));
  expect(response.status).toBe(503);
  expect(await response.json()).toMatchObject({ type: "/problems/shutting-down" });
  await closed.close();
});
