import { afterEach, beforeEach, expect, test } from "bun:test";

import { jsonPost, openApp, type TestApp } from "../../support/app.ts";
import { eventually } from "../../support/eventually.ts";
import { createTestKey, withToken } from "../../support/keys.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld", "worker"]);

let app: TestApp;
beforeEach(async () => {
  app = await openApp();
});
afterEach(() => app.close());

const APPENDED = jsonPost({ events: [{ type: "Opened" }] });

async function refusal(response: Response) {
  const { status, headers } = response;
  const { type, credentials, needs, principal } = (await response.json()) as Record<string, unknown>;
  return [
    status,
    String(type).split("/").at(-1),
    credentials ?? needs,
    principal,
    headers.get("www-authenticate"),
  ];
}

const MISSING = [401, "unauthenticated", "missing", undefined, 'Bearer realm="kilde"'];
const INVALID = [401, "unauthenticated", "invalid", undefined, 'Bearer realm="kilde", error="invalid_token"'];

test("a store without a key is open, and ignores credentials", async () => {
  expect((await app.fetch("/streams/a", APPENDED)).status).toBe(201);
  expect((await withToken(app, "garbage").fetch("/streams/a", APPENDED)).status).toBe(201);
});

test("a store needs credentials from its first key on, also after the key was revoked", async () => {
  const admin = await createTestKey(app, ["admin"]);
  expect(await refusal(await app.fetch("/streams/a", APPENDED))).toEqual(MISSING);
  expect((await admin.fetch("/streams/a", APPENDED)).status).toBe(201);
  await app.store.access.revoke(admin.id);
  // Another process, such as a worker, checks the keys each second.
  await eventually(async () => (await admin.fetch("/streams/a", APPENDED)).status === 401);
  expect(await refusal(await admin.fetch("/streams/a", APPENDED))).toEqual(INVALID);
  expect(await refusal(await app.fetch("/streams/a", APPENDED))).toEqual(MISSING);
});

test("the scheme may have any case, and its token follows spaces", async () => {
  const { token } = await createTestKey(app, ["admin"]);
  for (const scheme of ["Bearer ", "bearer ", "BEARER   "]) {
    const response = await app.fetch("/events", { headers: { Authorization: scheme + token } });
    expect([scheme, response.status]).toEqual([scheme, 200]);
  }
});

test("every other form of credentials is refused, and the same way", async () => {
  const { token } = await createTestKey(app, ["admin"]);
  const wrong = [
    `Basic ${btoa(`user:${token}`)}`,
    "Bearer",
    "Bearer ",
    `Bearer${token}`,
    `Bearer ${token} ${token}`,
    `Bearer ${token},`,
    `Bearer ${token}, Bearer ${token}`,
    `Bearer ${token.slice(0, -1)}${token.endsWith("0") ? "1" : "0"}`,
    `Bearer ${token.toUpperCase()}`,
    `Bearer kilde_${"a".repeat(5_000)}`,
    `Bearer ${"a.b.c".repeat(4_000)}`,
    "Bearer a.b.c",
    token,
  ];
  for (const header of wrong) {
    const response = await app.fetch("/events", { headers: { Authorization: header } });
    expect([header.slice(0, 80), await refusal(response)]).toEqual([header.slice(0, 80), INVALID]);
  }
});

test("a token in the query is no credential", async () => {
  const { token } = await createTestKey(app, ["admin"]);
  for (const name of ["access_token", "token"])
    expect(await refusal(await app.fetch(`/events?${name}=${token}`))).toEqual(MISSING);
});

test("public operations answer without credentials, and with those that are not valid", async () => {
  await createTestKey(app, ["admin"]);
  for (const each of [app, withToken(app, "garbage")])
    for (const path of ["/health", "/ready"]) expect((await each.fetch(path)).status).toBe(200);
});

test("a sender without the grant is refused with the grant that it needs", async () => {
  const { fetch } = await createTestKey(app, ["append:/streams/order-*"], { name: "orders" });
  expect((await fetch("/streams/order-1", APPENDED)).status).toBe(201);
  const refused = await refusal(await fetch("/streams/user-1", APPENDED));
  const challenge = 'Bearer realm="kilde", error="insufficient_scope"';
  expect(refused).toEqual([403, "forbidden", "append:/streams/user-1", "orders", challenge]);
});
