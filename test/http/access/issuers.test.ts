import { afterEach, beforeEach, expect, test } from "bun:test";

import { AUDIENCE, startIssuer, type TestIssuer } from "../../access/issuer.ts";
import { jsonPost, openApp, type TestApp } from "../../support/app.ts";
import { withToken } from "../../support/keys.ts";
import { runsOn } from "../../support/tested-on.ts";

runsOn(["memory", "sqld"]);

let issuer: TestIssuer;
let app: TestApp;
beforeEach(async () => {
  issuer = await startIssuer();
  app = await openApp({
    issuers: [
      {
        issuer: issuer.url,
        audience: AUDIENCE,
        algorithms: ["ES256"],
        grants({ team }) {
          if (team === "broken") throw new Error("no such team");
          return [`append:/streams/${String(team)}-*`];
        },
        name: ({ sub }) => String(sub),
      },
    ],
  });
});
afterEach(async () => {
  await app.close();
  await issuer.stop();
});

const append = (token: string, stream: string) =>
  withToken(app, token).fetch(`/streams/${stream}`, jsonPost({ events: [{ type: "T" }] }));

test("a token of an issuer identifies the sender of a request, with the claimed grants", async () => {
  const token = await issuer.sign({ claims: { team: "orders" } });
  expect((await append(token, "orders-1")).status).toBe(201);
  const refused = await append(token, "users-1");
  expect([refused.status, await refused.json()]).toEqual([
    403,
    expect.objectContaining({ needs: "append:/streams/users-1", principal: "jwt:ci" }),
  ]);
  expect(await withToken(app, token).get("/session")).toMatchObject({
    kind: "jwt",
    grants: ["append:/streams/orders-*"],
  });
});

test("a store with an issuer is closed from its start, and refuses tokens that are not valid", async () => {
  expect((await app.fetch("/events")).headers.get("www-authenticate")).toBe('Bearer realm="kilde"');
  for (const token of [await issuer.sign({ claims: { aud: "others" } }), "a.b.c"]) {
    const refused = await append(token, "orders-1");
    expect([refused.status, refused.headers.get("www-authenticate")]).toEqual([
      401,
      'Bearer realm="kilde", error="invalid_token"',
    ]);
  }
});

test("a token of an issuer opens no session: a session would outlive it", async () => {
  const token = await issuer.sign({ claims: { team: "orders" } });
  const response = await withToken(app, token).fetch("/session", { method: "POST" });
  expect([response.status, response.headers.has("set-cookie")]).toEqual([401, false]);
});

test("an issuer that does not answer makes its senders wait, and no one else", async () => {
  const token = await issuer.sign({ claims: { team: "orders" } });
  issuer.fail(500);
  const response = await append(token, "orders-1");
  expect([response.status, response.headers.has("retry-after")]).toEqual([503, true]);
  expect((await withToken(app, token).fetch("/health")).status).toBe(200);
});

test("grants that throw an error allow nothing, and the log has the reason", async () => {
  const response = await append(await issuer.sign({ claims: { team: "broken" } }), "broken-1");
  expect(response.status).toBe(500);
  expect(await response.text()).not.toContain("team");
  expect(app.faults.map(String).join()).toContain("auth.issuers: grants of");
});
