import { afterEach, beforeEach, expect, test } from "bun:test";

import { eventually } from "../../support/eventually.ts";
import { jsonPost, openApp, type TestApp } from "../../support/app.ts";
import { createTestKey, type TestKey } from "../../support/keys.ts";
import { runsOn, testInProcess } from "../../support/tested-on.ts";

runsOn(["memory", "sqld", "worker"]);

const NOBODY = { status: 401, type: "/problems/unauthenticated" };

let app: TestApp;
let key: TestKey;
beforeEach(async () => {
  app = await openApp();
  key = await createTestKey(app, ["append:/streams/order-*", "read:/feeds/orders"], {
    name: "shop",
    consumer: "shop",
  });
});
afterEach(() => app.close());

async function signIn(by = app, { token } = key): Promise<string> {
  const response = await by.fetch("/session", jsonPost({ token }));
  expect(response.status).toBe(201);
  const [pair = ""] = (response.headers.get("set-cookie") ?? "").split(";");
  return pair;
}

async function sender(headers: HeadersInit, path = "/session"): Promise<unknown> {
  return (await app.fetch(path, { headers })).json();
}

test("a key opens a session, by the header or by the body, in a cookie that only this host gets", async () => {
  const byHeader = await key.fetch("/session", { method: "POST" });
  const byBody = await app.fetch("/session", jsonPost({ token: key.token }));
  for (const response of [byHeader, byBody]) {
    expect([response.status, response.headers.get("location")]).toEqual([201, "/session"]);
    expect(response.headers.get("cache-control")).toBe("no-store");
    expect(response.headers.get("set-cookie")).toMatch(
      /^__Host-kilde-session=[\w.-]+; Max-Age=43(200|1\d\d); Path=\/; HttpOnly; Secure; SameSite=Strict$/,
    );
    const text = await response.text();
    expect(text).not.toContain(key.token);
    expect(JSON.parse(text)).toMatchObject({
      kind: "session",
      name: "shop",
      consumer: "shop",
      grants: ["append:/streams/order-*", "read:/feeds/orders"],
    });
  }
});

test("a session is the sender of its key: the same name, grants and consumer, and nothing more", async () => {
  const cookie = await signIn();
  const append = (stream: string) =>
    app.fetch(`/streams/${stream}`, jsonPost({ events: [{ type: "T" }] }, { cookie }));
  expect((await append("order-1")).status).toBe(201);
  const refused = await append("user-1");
  expect(refused.status).toBe(403);
  expect(await refused.json()).toMatchObject({ needs: "append:/streams/user-1", principal: "shop" });
  expect(await sender({ cookie })).toMatchObject({ kind: "session", name: "shop", consumer: "shop" });
});

test("the cookie lives no longer than its key", async () => {
  const short = await createTestKey(app, ["admin"], { expires: Date.now() + 60_000 });
  const response = await app.fetch("/session", jsonPost({ token: short.token }));
  expect(response.headers.get("set-cookie")).toMatch(/; Max-Age=(60|5\d); /);
});

test("GET /session shows the sender of a key, and its answer is not kept", async () => {
  const response = await key.fetch("/session");
  expect(response.headers.get("cache-control")).toBe("no-store");
  expect(await response.json()).toEqual({
    kind: "key",
    name: "shop",
    grants: ["append:/streams/order-*", "read:/feeds/orders"],
    consumer: "shop",
    expires: null,
  });
  expect(await sender({})).toMatchObject(NOBODY);
});

test("GET /session shows what the sender may do, without looking anything up", async () => {
  const asked = [
    "append:/streams/order-7",
    "append:/streams/user-7",
    "append:/streams/order-*",
    "append:/streams/*",
    "read:/feeds/orders/v2?subjectPrefix=a",
    "admin",
  ];
  const query = new URLSearchParams(asked.map((grant) => ["may", grant]));
  const response = await key.fetch(`/session?${query}`);
  const { may } = (await response.json()) as { may: { grant: string; granted: boolean }[] };
  expect(may.map(({ grant }) => grant)).toEqual(asked);
  expect(may.map(({ granted }) => granted)).toEqual([true, false, true, false, true, false]);
});

test("a text that is no grant cannot be asked for", async () => {
  for (const may of ["", "everything", "append:/feeds/a", "read:/streams/a*b"]) {
    const response = await key.fetch(`/session?${new URLSearchParams({ may })}`);
    expect([may, response.status]).toEqual([may, 400]);
    expect(await response.json()).toMatchObject({ type: "/problems/invalid-parameter" });
  }
});

test("a revoked key ends its sessions", async () => {
  const cookie = await signIn();
  await app.store.access.revoke(key.id);
  // A worker, and every other process, looks for changes every second.
  const status = async () => (await app.fetch("/session", { headers: { cookie } })).status;
  await eventually(async () => (await status()) === 401);
});

test("an event stream and a long-poll of a session end with its key", async () => {
  const reader = await createTestKey(app, ["read:/events"]);
  const cookie = await signIn(app, reader);
  const stream = await app.fetch("/events", { headers: { cookie, accept: "text/event-stream" } });
  expect(stream.status).toBe(200);
  const poll = app.fetch("/events?timeout=30000", { headers: { cookie } });
  await app.store.access.revoke(reader.id);
  expect(await stream.text()).not.toContain("data:");
  expect((await poll).status).toBe(401);
});

test("DELETE /session removes the cookie, also one that is not valid any more", async () => {
  for (const cookie of [await signIn(), "__Host-kilde-session=old", ""]) {
    const response = await app.fetch("/session", { method: "DELETE", headers: { cookie } });
    expect([response.status, await response.text()]).toEqual([204, ""]);
    expect(response.headers.get("set-cookie")).toBe(
      "__Host-kilde-session=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Strict",
    );
  }
});

test("tokens that are not of a valid key open no session, and all get the same answer", async () => {
  const revoked = await createTestKey(app, ["admin"]);
  await app.store.access.revoke(revoked.id);
  const tokens = ["", "garbage", "a.b.c", revoked.token, `${key.token.slice(0, -1)}g`, "x".repeat(30_000)];
  const answers = new Set<string>();
  for (const token of tokens) {
    const response = await app.fetch("/session", jsonPost({ token }));
    expect(response.headers.has("set-cookie")).toBe(false);
    answers.add(`${response.status} ${response.headers.get("www-authenticate")} ${await response.text()}`);
  }
  expect(answers.size).toBe(1);
  expect([...answers][0]).toStartWith('401 Bearer realm="kilde", error="invalid_token" ');
});

test("a body that is not a token is refused", async () => {
  for (const [body, status] of [
    ["", 422],
    ["{", 400],
    [{}, 422],
    [{ token: 1 }, 422],
    [{ token: key.token, more: 1 }, 422],
  ] as const) {
    const response = await app.fetch("/session", jsonPost(body));
    expect([body, response.status]).toEqual([body, status]);
    expect(await response.text()).not.toContain(key.token);
  }
});

test("a body that is larger than every token is refused before it arrives, since anyone may send it", async () => {
  const body = JSON.stringify({ token: "a".repeat(40_000) });
  const response = await app.fetch("/session", { method: "POST", body });
  expect([response.status, await response.json()]).toEqual([
    413,
    expect.objectContaining({ limit: "bodyBytes" }),
  ]);
});

testInProcess("a key in the header wins over a cookie, even if it is not valid", async () => {
  const cookie = await signIn();
  const other = await createTestKey(app, ["admin"], { name: "other" });
  expect(await sender({ cookie, authorization: `Bearer ${other.token}` })).toMatchObject({ name: "other" });
  expect(await sender({ cookie, authorization: "Bearer garbage" })).toMatchObject(NOBODY);
});

testInProcess("a cookie counts only in requests that no other origin has caused, also in reads", async () => {
  const cookie = await signIn();
  const causes: readonly (readonly [Record<string, string>, boolean])[] = [
    [{ "sec-fetch-site": "same-origin" }, true],
    [{ "sec-fetch-site": "none" }, true],
    [{ origin: "http://kilde.test" }, true],
    [{ "sec-fetch-site": "same-site" }, false],
    [{ "sec-fetch-site": "cross-site" }, false],
    [{ origin: "http://other.test" }, false],
    [{ origin: "null" }, false],
  ];
  for (const [headers, counts] of causes) {
    const found = await sender({ cookie, ...headers });
    expect(found).toMatchObject(counts ? { name: "shop" } : NOBODY);
  }
});

test("pages of other origins can neither open nor end a session, and append nothing with it", async () => {
  const cookie = await signIn();
  const cross = { cookie, "sec-fetch-site": "same-site", origin: "http://other.kilde.test" };
  for (const [path, init] of [
    ["/session", jsonPost({ token: key.token }, cross)],
    ["/session", { method: "DELETE", headers: cross }],
    ["/streams/order-1", jsonPost({ events: [{ type: "T" }] }, cross)],
  ] as const) {
    const response = await app.fetch(path, init);
    expect([path, response.status]).toEqual([path, 403]);
    expect(response.headers.has("set-cookie")).toBe(false);
  }
});

test("pages of an origin that may call do so with a key, not with the cookie", async () => {
  const other = await openApp({ corsOrigins: ["http://other.test"] });
  const { token, id } = await createTestKey(other, ["admin"]);
  const cookie = await signIn(other, { ...key, token, id });
  const cross = { origin: "http://other.test", "sec-fetch-site": "cross-site" };
  const post = (headers: Record<string, string>) =>
    other.fetch("/streams/a", jsonPost({ events: [{ type: "T" }] }, { ...cross, ...headers }));
  expect((await post({ cookie })).status).toBe(401);
  expect((await post({ authorization: `Bearer ${token}` })).status).toBe(201);
  await other.close();
});

test("the cookie of another store identifies no one", async () => {
  const other = await openApp();
  const foreign = await createTestKey(other, ["admin"]);
  const cookie = await signIn(other, foreign);
  expect(await sender({ cookie })).toMatchObject(NOBODY);
  await other.close();
});

test("other cookies identify no one, and do not hide the cookie of the session", async () => {
  const cookie = await signIn();
  expect(await sender({ cookie: `theme=dark; ${cookie}; other=1` })).toMatchObject({ name: "shop" });
  for (const wrong of [
    cookie.replace("__Host-", ""),
    cookie.replace("session", "sign-in"),
    cookie.slice(0, -2),
    `${cookie}${"a".repeat(5_000)}`,
    "__Host-kilde-session",
    "__Host-kilde-session=%E0%A4%A",
  ])
    expect(await sender({ cookie: wrong })).toMatchObject(NOBODY);
});

test("an open store has no sessions, and everyone may do everything", async () => {
  const open = await openApp();
  const session = await open.get<{ may: unknown }>("/session?may=admin");
  expect(session).toEqual({
    kind: "anybody",
    name: null,
    grants: ["admin"],
    consumer: null,
    expires: null,
    may: [{ grant: "admin", granted: true }],
  } as never);
  expect((await open.fetch("/session", jsonPost({ token: key.token }))).status).toBe(401);
  await open.close();
});
