import { afterAll, beforeAll, expect, test } from "bun:test";

import type { ConsoleFiles } from "../../../src/http/service/console.ts";
import type { Docs } from "../../../src/http/service/docs.ts";
import { type Operation, type Route } from "../../../src/http/operation.ts";
import { OPERATIONS, ROUTES } from "../../../src/http/operations.ts";
import type { Database } from "../../../src/storage/database.ts";
import { contentFile } from "../../../src/http/service/static-file.ts";
import { openApp, type TestApp } from "../../support/app.ts";
import { sketch } from "../../support/feeds.ts";
import { createTestKey, type TestKey, withToken } from "../../support/keys.ts";
import { newDatabase } from "../../support/new-database.ts";
import { openProjection } from "../../support/projection.ts";
import { runsOn } from "../../support/tested-on.ts";
import { type Expectation, EXPECTATIONS, type Holder, HOLDERS } from "./expectations.ts";

runsOn(["memory", "sqld"]);

const FEEDS = [
  sketch({ name: "orders", draft: true }),
  sketch({ name: "users", deprecated: "2026-01-01" }),
  sketch({ name: "open", access: "public" }),
];

const DOCS: Docs = {
  find: () => Promise.resolve(contentFile("text/plain", "a page")),
};

/** A store with events, feeds, a consumer, a subscription, and a key for each holder. */
interface Scene {
  readonly app: TestApp;
  readonly database: Database;
  readonly keys: ReadonlyMap<Holder, TestKey>;
  /** Sends the request of an expectation, about a subscription of its own. */
  send(sender: Pick<TestApp, "fetch">, expectation: Expectation): Promise<Response>;
}

async function keysOf(app: TestApp): Promise<Map<Holder, TestKey>> {
  const keys = new Map<Holder, TestKey>();
  for (const holder of HOLDERS) {
    const [grants = "", consumer = null] = holder.split(" as ");
    keys.set(holder, await createTestKey(app, grants.split(" "), { consumer }));
  }
  return keys;
}

const CONSOLE_FILES: ConsoleFiles = {
  entry: () => Promise.resolve({ script: "start-1.js", style: "console-1.css", icon: "icon-1.svg" }),
  find: () => Promise.resolve(undefined),
};

async function openScene(): Promise<Scene> {
  const database = await newDatabase();
  const app = await openApp({ database, feeds: FEEDS, docs: DOCS, consoleFiles: CONSOLE_FILES });
  for (const stream of ["order-1", "user-1"]) await app.append(stream, { type: "A" }, { type: "A" });
  const projection = await openProjection({ database, writer: app.store.writer }, FEEDS);
  await projection.drain();
  const { feeds, writer } = { feeds: projection.feeds, ...app.store };
  const keys = await keysOf(app);
  const admin = keyOf(keys, "admin as cards");
  return {
    app: {
      ...app,
      async close() {
        await feeds.close();
        await writer.close();
        await app.close();
      },
    },
    database,
    keys,
    async send(sender, { path, init = {} }) {
      let id = "";
      if (path.includes("SUBSCRIPTION")) {
        const body = JSON.stringify({ source: "/events", url: "http://127.0.0.1:9/hook" });
        const headers = { "content-type": "application/json" };
        const made = await admin.fetch("/subscriptions", { method: "POST", body, headers });
        ({ subscription: id } = (await made.json()) as { subscription: string });
      }
      return sender.fetch(path.replace("SUBSCRIPTION", id), init);
    },
  };
}

function keyOf(keys: ReadonlyMap<Holder, TestKey>, holder: Holder): TestKey {
  const key = keys.get(holder);
  if (key === undefined) throw new Error(`no key has ${holder}`);
  return key;
}

let scene: Scene;
beforeAll(async () => {
  scene = await openScene();
});
afterAll(() => scene.app.close());

function nameOf(route: Route): string {
  const operation = OPERATIONS.find((each): each is Operation => each === route);
  return operation?.id ?? route.path;
}

const CASES = Object.entries(EXPECTATIONS).flatMap(([name, expectations]) =>
  expectations.map((expectation) => ({ name, ...expectation })),
);

test("every route has expectations, and every expectation a route with its method and path", () => {
  expect(Object.keys(EXPECTATIONS).toSorted()).toEqual(ROUTES.map(nameOf).toSorted());
  for (const route of ROUTES) {
    for (const { path, init } of EXPECTATIONS[nameOf(route)] ?? []) {
      const pattern = route.path.replaceAll(/\{\w+\}/g, "[^/?]+");
      expect([path, (init?.method ?? "GET").toLowerCase()]).toEqual([
        expect.stringMatching(new RegExp(`^${pattern}(?:\\?.*)?$`)),
        route.method,
      ]);
    }
  }
});

test("senders without valid credentials may only call public operations", async () => {
  const { app, keys } = scene;
  const other = await openApp({ database: await newDatabase() });
  const foreign = await createTestKey(other, ["admin"]);
  const revoked = await createTestKey(app, ["admin"]);
  await app.store.access.revoke(revoked.id);
  const expired = await createTestKey(app, ["admin"], { expires: Date.now() + 50 });
  await Bun.sleep(60);
  const { token } = keyOf(keys, "admin");
  const senders: Readonly<Record<string, Pick<TestApp, "fetch">>> = {
    nobody: app,
    garbage: withToken(app, "garbage"),
    "a changed token": withToken(app, token.slice(0, -1) + (token.endsWith("0") ? "1" : "0")),
    "the key of another store": withToken(app, foreign.token),
    "a revoked key": revoked,
    "an expired key": expired,
  };
  for (const [sender, { fetch }] of Object.entries(senders)) {
    for (const expectation of CASES) {
      const { name, path, allowed, status, anonymous } = expectation;
      const response = await scene.send({ fetch }, expectation);
      const expected = anonymous ?? (allowed === "everyone" ? status : 401);
      expect([sender, name, path, response.status]).toEqual([sender, name, path, expected]);
      if (expected === 401)
        expect(response.headers.get("www-authenticate")).toStartWith('Bearer realm="kilde"');
      await response.body?.cancel();
    }
  }
  await other.close();
});

test("each key may do what its grants allow, and nothing else", async () => {
  const { app, keys } = scene;
  for (const expectation of CASES) {
    const { name, path, allowed, hidden = [] } = expectation;
    for (const holder of HOLDERS) {
      const key = keyOf(keys, holder);
      const response = await scene.send(key, expectation);
      const isAllowed = typeof allowed === "string" || allowed.includes(holder);
      const expected = isAllowed ? "allowed" : hidden.includes(holder) ? "hidden" : "refused";
      const { status } = response;
      const found =
        status === 403 || status === 401
          ? "refused"
          : status === 404 && path.includes("SUBSCRIPTION")
            ? "hidden"
            : "allowed";
      expect([name, path, holder, found, status]).toEqual([name, path, holder, expected, status]);
      if (found !== "refused") {
        await response.body?.cancel();
        continue;
      }
      const problem = (await response.json()) as { needs: string; principal: string; type: string };
      expect([name, problem.type]).toEqual([name, "/problems/forbidden"]);
      expect(problem.principal).toStartWith("key-");
      expect(problem.needs).not.toBe("");
    }
  }
  expect(app.faults).toEqual([]);
});

test("the requests of the matrix succeed for a sender who may do everything", async () => {
  const fresh = await openScene();
  const admin = keyOf(fresh.keys, "admin as cards");
  for (const expectation of CASES) {
    const { name, path, status } = expectation;
    const response = await fresh.send(admin, expectation);
    expect([name, path, response.status]).toEqual([name, path, status]);
    await response.body?.cancel();
  }
  await fresh.app.close();
});

test("the grant that a refusal names lets the same request proceed", async () => {
  const { app, keys } = await openScene();
  const blind = keyOf(keys, "read:/metrics");
  for (const { name, path, init } of CASES) {
    const isOfThing = path.includes("SUBSCRIPTION") || path.includes("/consumers");
    const response = await blind.fetch(path, init);
    if (response.status !== 403) {
      await response.body?.cancel();
      continue;
    }
    const { needs } = (await response.json().catch(() => ({}))) as { needs?: string };
    if (isOfThing || needs === undefined) continue;
    let granted = [needs];
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      const { fetch } = await createTestKey(app, granted);
      const again = await fetch(path, init);
      const problem = again.status === 403 ? ((await again.json()) as { needs: string }) : null;
      if (problem === null) granted = [];
      else granted = [...granted, problem.needs];
      if (granted.length === 0) break;
    }
    expect([name, path, granted]).toEqual([name, path, []]);
  }
  await app.close();
});

test("senders without credentials do not learn which paths and methods exist", async () => {
  const { app } = scene;
  for (const [method, path] of [
    ["GET", "/nothing"],
    ["GET", "/streams/order-1/nothing"],
    ["PUT", "/events"],
    ["OPTIONS", "/events"],
    ["PATCH", "/feeds/open/v1"],
  ] as const) {
    const response = await app.fetch(path, { method });
    expect([method, path, response.status]).toEqual([method, path, 401]);
  }
});

test("a refusal is the same whether or not the thing exists", async () => {
  const { keys } = scene;
  const blind = keyOf(keys, "read:/metrics");
  const answerTo = async (path: string, name: string, init?: RequestInit) => {
    const response = await blind.fetch(path.replace("NAME", name), init);
    const headers = [...response.headers].filter(([header]) => header !== "x-request-id");
    const text = (await response.text()).replaceAll(name, "NAME");
    return [
      response.status,
      text,
      headers.map((pair) => pair.map((value) => value.replaceAll(name, "NAME"))),
    ];
  };
  for (const [path, existing, missing, init] of [
    ["/streams/NAME", "order-1", "order-x", undefined],
    ["/streams/NAME?reason=x", "order-1", "order-x", { method: "DELETE" }],
    ["/feeds/NAME/v1", "users", "nones", undefined],
    ["/feeds/NAME/v1/status", "users", "nones", undefined],
    ["/feeds/NAME/v1/subjects/order-1", "users", "nones", undefined],
    ["/feeds/NAME/v1/subjects", "users", "nones", undefined],
    ["/feeds/NAME/v1/consumers", "users", "nones", undefined],
    ["/feeds/NAME/v1", "users", "nones", { method: "DELETE" }],
    ["/feeds/NAME/v1/resume", "users", "nones", { method: "POST" }],
  ] as const) {
    const found = await answerTo(path, existing, init);
    expect(found).toEqual(await answerTo(path, missing, init));
    expect(found[0]).toBe(403);
  }
});
