import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import type { Logger } from "pino";

import { resolveSettings } from "../../../src/config/resolve.ts";
import type { KildeConfig } from "../../../src/config/settings.ts";
import { createKilde } from "../../../src/embed/index.ts";
import type { AccessEntry } from "../../../src/http/pipeline/access-log.ts";
import { startServer } from "../../../src/runtime/server/serve.ts";
import { createWorker } from "../../../src/worker.ts";
import { eventually } from "../../support/eventually.ts";
import { hasSqld, startSqld } from "../../support/sqld.ts";

setDefaultTimeout(60_000);

/** A deployment of Kilde, reached as its clients reach it. */
interface Platform {
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Entries of the access log so far; null where there is none. */
  readonly entries: AccessEntry[] | null;
  close(): Promise<void>;
}

/** A logger that keeps the entries of the access log. */
function keepingLog(entries: AccessEntry[]): Logger {
  const logger = {
    info: (entry: AccessEntry, message: string) => {
      if (message === "request") entries.push(entry);
    },
    warn: () => {},
    error: () => {},
    child: () => logger,
  };
  return logger as unknown as Logger;
}

async function openServer(config: KildeConfig, base: string, host?: string): Promise<Platform> {
  const entries: AccessEntry[] = [];
  const settings = resolveSettings({
    flags: {},
    environment: {},
    file: { path: "test", value: { port: 0, accessLog: true, ...config } },
  });
  const log = { logger: keepingLog(entries), flush: () => {} };
  const server = await startServer({ settings: { ...settings, configFile: null }, version: "test", log });
  return {
    entries,
    fetch: (path, init) =>
      fetch(`http://127.0.0.1:${server.port}${base}${path}`, {
        ...init,
        headers: { ...(init?.headers as Record<string, string>), ...(host === undefined ? {} : { host }) },
      }),
    close: () => server.close(),
  };
}

async function openEmbedded(): Promise<Platform> {
  const kilde = await createKilde({ databaseUrl: ":memory:" });
  return {
    entries: null,
    fetch: (path, init) => kilde.fetch(new Request(`http://kilde.test${path}`, init)),
    close: () => kilde.close(),
  };
}

async function openWorker(): Promise<Platform> {
  const server = await startSqld();
  const env = { KILDE_DATABASE_URL: server.url, KILDE_LOG_LEVEL: "silent", KILDE_OPEN: "true" };
  const kilde = createWorker({}, { env, databaseCalls: null });
  // The schema of a worker's database is brought up to date beforehand.
  const migrating = await createKilde({ databaseUrl: server.url });
  await migrating.close();
  return {
    entries: null,
    fetch: (path, init) => kilde.fetch(new Request(`http://kilde.test${path}`, init)),
    close: () => server.stop(),
  };
}

const TENANT = { name: "shop", databaseUrl: ":memory:" };

const PLATFORMS: readonly (readonly [name: string, open: () => Promise<Platform>])[] = [
  ["a server", () => openServer({ databaseUrl: ":memory:" }, "")],
  ["a tenant by path", () => openServer({ tenants: [{ ...TENANT, path: "/shop" }] }, "/shop")],
  [
    "a tenant by host",
    () => openServer({ tenants: [{ ...TENANT, host: "shop.localhost" }] }, "", "shop.localhost"),
  ],
  ["kilde/embed", openEmbedded],
  ...(hasSqld ? ([["a worker", openWorker]] as const) : []),
];

const EVIL = { Origin: "http://evil.example" };
const json = (body: unknown) => ({
  body: JSON.stringify(body),
  headers: { "Content-Type": "application/json" },
});

interface Operation {
  readonly method: string;
  readonly path: string;
}

/** Every operation of the store's own description, with a name for each parameter. */
async function operationsOf({ fetch: call }: Platform): Promise<Operation[]> {
  const { paths } = (await (await call("/openapi.json")).json()) as { paths: Record<string, object> };
  return Object.entries(paths).flatMap(([path, item]) =>
    Object.keys(item)
      .filter((method) => /^(?:get|post|put|patch|delete)$/.test(method))
      .map((method) => ({ method: method.toUpperCase(), path: path.replaceAll(/\{[^}]+\}/g, "v1") })),
  );
}

function isEventStream({ headers }: Response): boolean {
  return headers.get("Content-Type") === "text/event-stream";
}

const REQUEST_ID = { "X-Request-Id": "from-the-client" };

describe.each(PLATFORMS)("the pipeline of %s", (_name, open) => {
  let platform: Platform;
  beforeAll(async () => {
    platform = await open();
  });
  afterAll(() => platform.close());

  /** Sends a request, and checks the steps that every request passes. */
  async function send(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { ...(init.headers as Record<string, string>), ...REQUEST_ID };
    const before = platform.entries?.length ?? 0;
    const response = await platform.fetch(path, { ...init, method, headers });
    expect(response.headers.get("X-Request-Id"), `${method} ${path}`).toBe(REQUEST_ID["X-Request-Id"]);
    const { entries } = platform;
    if (entries !== null) {
      // A stream is logged when it ends.
      if (isEventStream(response)) await response.body?.cancel();
      const entry = await eventually(() =>
        entries.slice(before).find((each) => each.requestId === "from-the-client"),
      );
      expect(entry, `${method} ${path}`).toMatchObject({
        method,
        status: response.status,
      });
      // A refused path may be that of any tenant.
      expect(entry?.path).toEndWith(new URL(path, "http://kilde.test").pathname);
    }
    return response;
  }

  async function expectProblem(response: Response, status: number, code: string): Promise<void> {
    expect(response.status).toBe(status);
    expect(response.headers.get("Content-Type")).toBe("application/problem+json");
    expect(((await response.json()) as { type: string }).type).toEndWith(`/problems/${code}`);
  }

  test("answers every operation under the client's request id, and logs it", async () => {
    for (const { method, path } of await operationsOf(platform)) {
      const response = await send(method, path, method === "GET" ? {} : json({}));
      if (response.status >= 400) {
        expect([path, response.headers.get("Content-Type")]).toEqual([path, "application/problem+json"]);
      }
      if (!isEventStream(response)) await response.body?.cancel();
    }
  });

  test("refuses every operation that a page of another site would change something with", async () => {
    const changing = (await operationsOf(platform)).filter(({ method }) => method !== "GET");
    expect(changing.length).toBeGreaterThan(10);
    for (const { method, path } of changing) {
      for (const headers of [EVIL, { "Sec-Fetch-Site": "cross-site" }]) {
        const body = method === "DELETE" ? {} : { body: "{}" };
        const response = await send(method, path, { ...body, headers });
        await expectProblem(response, 403, "cross-site-request");
      }
    }
  });

  test("stores nothing of an append that a page of another site sends", async () => {
    const { body, headers } = json({ events: [{ type: "Opened" }] });
    const response = await send("POST", "/streams/evil", { body, headers: { ...headers, ...EVIL } });
    await expectProblem(response, 403, "cross-site-request");
    expect((await send("GET", "/streams/evil")).status).toBe(404);
    expect((await send("POST", "/streams/good", { body, headers })).status).toBe(201);
  });

  test("answers what it has not, and methods that a path has not, with problems", async () => {
    await expectProblem(await send("GET", "/nothing"), 404, "not-found");
    await expectProblem(await send("PUT", "/events"), 405, "method-not-allowed");
    expect((await send("OPTIONS", "/events")).headers.get("Allow")).toBe("GET, HEAD, OPTIONS");
    const head = await send("HEAD", "/streams/good");
    expect([head.status, await head.text()]).toEqual([200, ""]);
  });

  test("refuses a path that is not in its canonical form", async () => {
    await expectProblem(await send("GET", "/streams/%41"), 400, "invalid-target");
  });
});

test("pages that may read answers may read refusals as well", async () => {
  const named = "https://app.example";
  for (const [corsOrigin, readable] of [
    [["*"], "*"],
    [["*", named], "*"],
    [[named], null],
  ] as const) {
    const platform = await openServer({ databaseUrl: ":memory:", corsOrigin: [...corsOrigin] }, "");
    const refused = await platform.fetch("/streams/evil", { method: "POST", headers: EVIL });
    const { headers } = refused;
    expect([refused.status, headers.get("Access-Control-Allow-Origin")]).toEqual([403, readable]);
    if (readable !== null) expect(headers.get("Access-Control-Expose-Headers")).toContain("X-Request-Id");
    expect(headers.get("Vary")).toBe(corsOrigin.length === 1 && readable === "*" ? null : "Origin");
    await platform.close();
  }
});

test("a server refuses hosts that are not its own, before anything else", async () => {
  const platform = await openServer({ databaseUrl: ":memory:" }, "", "evil.example");
  const response = await platform.fetch("/streams/x", { method: "POST", ...json({ events: [] }) });
  expect(response.status).toBe(421);
  expect(response.headers.get("X-Request-Id")).not.toBeNull();
  expect(platform.entries).toMatchObject([{ method: "POST", path: "/streams/x", status: 421 }]);
  await platform.close();
});

const EVENTS = Array.from({ length: 200 }, (_, n) => ({ type: "Opened", data: { n, name: "Ægir" } }));

const LOGGING: readonly (readonly [name: string, config: KildeConfig, base: string])[] = [
  ["a server", { databaseUrl: ":memory:" }, ""],
  ["a tenant", { tenants: [{ ...TENANT, path: "/shop" }] }, "/shop"],
  ["a server that pages may call", { databaseUrl: ":memory:", corsOrigin: ["https://app.example"] }, ""],
];

type Asked = readonly [
  method: string,
  path: string,
  init: { readonly body?: string; readonly headers?: Readonly<Record<string, string>> },
];

describe.each(LOGGING)("the access log of %s", (_name, config, base) => {
  let platform: Platform;
  beforeAll(async () => {
    platform = await openServer(config, base);
    await platform.fetch("/streams/many", { method: "POST", ...json({ events: EVENTS }) });
  });
  afterAll(() => platform.close());

  async function files(page: string): Promise<string[]> {
    const text = await (await platform.fetch(page)).text();
    return [...text.matchAll(/(?:src|href)="([^"]+\.(?:js|css|svg))"/g)].map(([, path = ""]) =>
      path.slice(base.length),
    );
  }

  test("has the bytes of the body of every answer, before any compression", async () => {
    const operations = (await operationsOf(platform)).map(({ method, path }): Asked => [
      method,
      path,
      method === "GET" ? {} : json({}),
    ]);
    const consoleFiles = await files("/console");
    expect(consoleFiles.length).toBeGreaterThan(1);
    const pages = [
      "/docs",
      "/docs/",
      "/docs/api",
      "/docs/swagger-ui.css",
      "/console",
      "/console/",
      ...consoleFiles,
    ];
    const others: Asked[] = [
      ["HEAD", "/events", {}],
      ["OPTIONS", "/events", {}],
      ["PUT", "/events", {}],
      ["POST", "/streams/evil", { ...json({ events: EVENTS }), headers: EVIL }],
      ["POST", "/streams/many", json({ events: EVENTS })],
      ["POST", "/streams/many", json({ events: EVENTS, expectedVersion: 1 })],
      ["POST", "/appends", json([{ stream: "many", events: EVENTS }])],
      ["DELETE", "/streams/evil?reason=asked", {}],
      ...["/nothing", "/streams/%41", "/docs/nothing", ...pages, "/"].map((path): Asked => ["GET", path, {}]),
    ];
    for (const [index, [method, path, init]] of [...operations, ...others].entries()) {
      const headers = { ...init.headers, "X-Request-Id": `of-${index}` };
      const response = await platform.fetch(path, { ...init, method, headers, redirect: "manual" });
      if (isEventStream(response)) {
        await response.body?.cancel();
        continue;
      }
      const { byteLength } = await response.arrayBuffer();
      const entry = platform.entries?.find(({ requestId }) => requestId === `of-${index}`);
      expect([method, path, entry?.status, entry?.bytes]).toEqual([
        method,
        path,
        response.status,
        byteLength,
      ]);
    }
  });

  test("has an event stream once it ends, with the bytes that were sent", async () => {
    const entryOf = (id: string) => platform.entries?.find(({ requestId }) => requestId === id);
    const follow = (id: string) =>
      platform.fetch("/events", { headers: { Accept: "text/event-stream", "X-Request-Id": id } });
    const left = await follow("left");
    const reader = left.body?.getReader();
    let read = 0;
    for (let done = reader === undefined; !done && read < 1_000;) {
      const result = await reader?.read();
      done = result?.done ?? true;
      read += result?.value?.byteLength ?? 0;
    }
    expect(entryOf("left")).toBeUndefined();
    await reader?.cancel();
    const entry = await eventually(() => entryOf("left"));
    expect(entry).toMatchObject({ route: "/events", status: 200, streamMs: expect.any(Number) });
    expect(entry.bytes).toBeGreaterThanOrEqual(read);

    const whole = (await follow("whole")).arrayBuffer();
    await platform.fetch("/streams/many", { method: "POST", ...json({ events: EVENTS }) });
    await platform.close();
    expect(entryOf("whole")?.bytes).toBe((await whole).byteLength);
  });
});

test("the access log has an event stream that is refused, because others have all places", async () => {
  const platform = await openServer({ databaseUrl: ":memory:", limits: { followers: 1 } }, "");
  const follow = (id: string) =>
    platform.fetch("/events", { headers: { Accept: "text/event-stream", "X-Request-Id": id } });
  const first = await follow("first");
  const refused = await follow("refused");
  const { byteLength } = await refused.arrayBuffer();
  const entry = platform.entries?.find(({ requestId }) => requestId === "refused");
  expect(entry).toMatchObject({ route: "/events", status: refused.status, bytes: byteLength });
  expect(refused.ok).toBe(false);
  await first.body?.cancel();
  await platform.close();
});
