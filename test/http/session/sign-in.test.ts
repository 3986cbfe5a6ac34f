import { afterEach, beforeEach, expect, test } from "bun:test";

import type { OidcProvider } from "../../../src/access/oidc-provider.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { openApp, type Problem, type TestApp } from "../../support/app.ts";
import { runsOn } from "../../support/tested-on.ts";
import { type Browser, openBrowser } from "./browser.ts";
import { CLIENT_ID, CLIENT_SECRET, type OpenIdServer, startOpenIdServer } from "./openid-server.ts";

runsOn(["memory", "sqld"]);

const ORIGIN = "https://kilde.test";
const CALLBACK = `${ORIGIN}/session/oidc/callback`;
const HTML = { headers: { accept: "text/html,*/*;q=0.8" } };

let people: OpenIdServer;
let app: TestApp;
beforeEach(async () => {
  people = await startOpenIdServer([CALLBACK]);
  app = await openApp({ oidc: configured() });
});
afterEach(async () => {
  await app.close();
  await people.stop();
});

function configured(options: Partial<OidcProvider> = {}): OidcProvider {
  return {
    issuer: people.url,
    clientId: CLIENT_ID,
    clientSecret: CLIENT_SECRET,
    scopes: ["email", "groups"],
    grants: ({ groups }) => (groups as string[]).map((group) => `read:/streams/${group}-*`),
    ...options,
  };
}

function newBrowser(by: () => TestApp = () => app): Browser {
  return openBrowser((url, init) =>
    url.startsWith(ORIGIN) ? by().fetch(url.slice(ORIGIN.length), init) : fetch(url, init),
  );
}

/** Begins to sign in, and returns the URL at the provider. */
async function start(browser: Browser, path = "/session/oidc"): Promise<string> {
  const response = await browser.fetch(ORIGIN + path);
  expect([response.status, await response.text()]).toEqual([303, ""]);
  return response.headers.get("location") ?? "";
}

async function cameBack(browser: Browser, path?: string): Promise<URL> {
  return people.signIn(await start(browser, path), browser);
}

async function whoIs(browser: Browser): Promise<unknown> {
  return (await browser.fetch(`${ORIGIN}/session`)).json();
}

async function expectFailure(response: Response, detail: string | RegExp): Promise<void> {
  const problem = (await response.json()) as Problem;
  expect([response.status, problem.type]).toEqual([400, "/problems/sign-in-failed"]);
  expect(problem.detail).toMatch(detail);
  expect(response.headers.getSetCookie().join()).not.toContain("__Host-kilde-session=");
}

test("a person who signs in has a session with the claimed grants", async () => {
  const browser = newBrowser();
  const callback = await cameBack(browser, "/session/oidc?return=/docs%3Fq%3D1%23top");
  expect(callback.origin + callback.pathname).toBe(CALLBACK);
  const response = await browser.fetch(callback.href, HTML);
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/html; charset=UTF-8"]);
  const page = await response.text();
  expect(page).toContain('<meta http-equiv="refresh" content="0;url=/docs?q=1#top" />');
  expect(await whoIs(browser)).toMatchObject({
    kind: "session",
    name: `oidc:${new URL(people.url).host}#mette`,
    grants: ["read:/streams/group-of-mette-*"],
    consumer: null,
  });
  expect([...browser.cookies(ORIGIN).keys()]).toEqual(["__Host-kilde-session"]);
});

test("the cookies cannot be read by scripts, and that of the session is never sent from other sites", async () => {
  const browser = newBrowser();
  const started = await browser.fetch(`${ORIGIN}/session/oidc`);
  expect(started.headers.get("set-cookie")).toMatch(
    /^__Host-kilde-sign-in=[\w.-]+; Max-Age=600; Path=\/; HttpOnly; Secure; SameSite=Lax$/,
  );
  const callback = await people.signIn(started.headers.get("location") ?? "", browser);
  const [session, cleared] = (await browser.fetch(callback.href)).headers.getSetCookie();
  expect(session).toMatch(
    /^__Host-kilde-session=[\w.-]+; Max-Age=43(200|1\d\d); Path=\/; HttpOnly; Secure; SameSite=Strict$/,
  );
  expect(cleared).toMatch(/^__Host-kilde-sign-in=; Max-Age=0; /);
});

test("the request to the provider has a challenge, and no secret", async () => {
  const browser = newBrowser();
  const one = new URL(await start(browser));
  const other = new URL(await start(browser));
  expect(Object.fromEntries(one.searchParams)).toMatchObject({
    response_type: "code",
    client_id: CLIENT_ID,
    redirect_uri: CALLBACK,
    scope: "openid email groups",
    code_challenge_method: "S256",
  });
  for (const name of ["state", "nonce", "code_challenge"])
    expect(one.searchParams.get(name)).not.toBe(other.searchParams.get(name));
  expect(one.href).not.toContain(encodeURIComponent(CLIENT_SECRET));
});

test("no answer and no URL of Kilde has a token, and no cache keeps an answer", async () => {
  const browser = newBrowser();
  const response = await browser.fetch((await cameBack(browser)).href, HTML);
  const { headers } = response;
  expect(headers.get("cache-control")).toBe("no-store");
  expect(headers.get("referrer-policy")).toBe("no-referrer");
  expect(headers.get("content-security-policy")).toStartWith("default-src 'none'");
  expect(await response.text()).not.toMatch(/eyJ|code=|state=/);
});

test("the answer to another attempt of the same browser is refused", async () => {
  const browser = newBrowser();
  const earlier = await cameBack(browser);
  await start(browser);
  await expectFailure(await browser.fetch(earlier.href), /"state"/);
});

test("a wrong, a missing and a repeated state are refused", async () => {
  for (const change of [
    (query: URLSearchParams) => query.set("state", "other"),
    (query: URLSearchParams) => query.delete("state"),
    (query: URLSearchParams) => query.append("state", query.get("state") ?? ""),
  ]) {
    const browser = newBrowser();
    const callback = await cameBack(browser);
    change(callback.searchParams);
    await expectFailure(await browser.fetch(callback.href), /state/);
    expect(browser.cookies(ORIGIN).size).toBe(0);
  }
  expect(people.requests.get("/token")).toBeUndefined();
});

test("an answer is accepted once: the browser has nothing to repeat it with, and the provider refuses the code", async () => {
  const browser = newBrowser();
  const callback = await cameBack(browser);
  const thief = browser.copy();
  expect((await browser.fetch(callback.href)).status).toBe(200);
  await expectFailure(await browser.fetch(callback.href), "has not started to sign in");
  await expectFailure(await thief.fetch(callback.href), "does not accept the code");
});

test("a code that another browser got is refused, with the state of either", async () => {
  const [attacker, victim] = [newBrowser(), newBrowser()];
  const stolen = await cameBack(attacker);
  await expectFailure(await newBrowser().fetch(stolen.href), "has not started to sign in");
  const own = await cameBack(victim);
  const injected = new URL(own);
  injected.searchParams.set("code", stolen.searchParams.get("code") ?? "");
  // The state is the victim's, so only the challenge and the nonce distinguish the two.
  await expectFailure(await victim.fetch(injected.href), "does not accept the code");
  expect(await whoIs(victim)).toMatchObject({ status: 401 });
});

test("an ID token with another nonce is refused", async () => {
  const browser = newBrowser();
  const location = new URL(await start(browser));
  location.searchParams.set("nonce", "another");
  const callback = await people.signIn(location.href, browser);
  await expectFailure(await browser.fetch(callback.href), /nonce/);
});

test("an answer of another issuer, and one that does not name its issuer, are refused (RFC 9207)", async () => {
  for (const iss of ["https://other.example", null]) {
    const browser = newBrowser();
    const callback = await cameBack(browser);
    expect(callback.searchParams.get("iss")).toBe(people.url);
    if (iss === null) callback.searchParams.delete("iss");
    else callback.searchParams.set("iss", iss);
    await expectFailure(await browser.fetch(callback.href), /iss/);
  }
  expect(people.requests.get("/token")).toBeUndefined();
});

test("an answer after 10 minutes is refused", async () => {
  await app.close();
  let passedMs = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + passedMs };
  app = await openApp({ oidc: configured(), clock });
  const browser = newBrowser();
  const callback = await cameBack(browser);
  passedMs = 10 * 60_000;
  await expectFailure(await browser.fetch(callback.href), "within the last 10 minutes");
});

test("a person who refuses, or whom the provider refuses, sees the reason", async () => {
  const browser = newBrowser();
  const location = new URL(await start(browser));
  const query = new URLSearchParams({
    error: "access_denied",
    error_description: "<b>No</b> consent",
    state: location.searchParams.get("state") ?? "",
    iss: people.url,
  });
  const response = await browser.fetch(`${CALLBACK}?${query}`, HTML);
  expect(response.status).toBe(400);
  const page = await response.text();
  expect(page).toContain("&lt;b&gt;No&lt;/b&gt; consent");
  expect(page).toContain('<a href="/session/oidc">Sign in again</a>');
  expect(page).not.toContain("refresh");
});

test("browsers see a failure as a page, and other clients as a problem", async () => {
  const browser = newBrowser();
  const page = await browser.fetch(CALLBACK, HTML);
  expect([page.status, page.headers.get("content-type")]).toEqual([400, "text/html; charset=UTF-8"]);
  await expectFailure(await browser.fetch(CALLBACK), "has not started to sign in");
});

test("a function of the configuration that fails grants nothing, and the log has the reason", async () => {
  const faulty: readonly [Partial<OidcProvider>, RegExp][] = [
    [
      {
        grants: () => {
          throw new Error("no such group");
        },
      },
      /auth.oidc: grants of .* threw an error/,
    ],
    [{ grants: () => ["everything"] }, /auth.oidc: grants of .* returned "everything"/],
    [{ grants: () => "admin" as unknown as string[] }, /must return a list/],
    [{ name: () => "a\nb" }, /returned a name that/],
  ];
  for (const [options, reason] of faulty) {
    const other = await openApp({ oidc: configured(options) });
    const browser = newBrowser(() => other);
    const response = await browser.fetch((await cameBack(browser)).href);
    expect([response.status, response.headers.getSetCookie().join()]).toEqual([500, ""]);
    expect(await response.text()).not.toContain("group");
    expect(other.faults.map(String).join()).toMatch(reason);
    expect(await whoIs(browser)).toMatchObject({ status: 401 });
    await other.close();
  }
});

test("a wrong client secret is a fault of the configuration", async () => {
  const other = await openApp({ oidc: configured({ clientSecret: "wrong" }) });
  const browser = newBrowser(() => other);
  expect((await browser.fetch((await cameBack(browser)).href)).status).toBe(500);
  expect(other.faults.map(String).join()).toContain("auth.oidc");
  await other.close();
});

test("a provider that does not answer makes signing in unavailable, not the store", async () => {
  await people.stop();
  const response = await newBrowser().fetch(`${ORIGIN}/session/oidc`);
  expect([response.status, response.headers.has("retry-after")]).toEqual([503, true]);
  expect(await response.json()).toMatchObject({ type: "/problems/issuer-unavailable" });
  expect((await newBrowser().fetch(`${ORIGIN}/session/oidc`, HTML)).status).toBe(503);
  expect((await app.fetch("/health")).status).toBe(200);
});

test("a provider that fails is asked again after 5 seconds, however many people try", async () => {
  let requests = 0;
  const failing = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch() {
      requests += 1;
      return new Response("busy", { status: requests < 3 ? 500 : 404 });
    },
  });
  let passedMs = 0;
  const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + passedMs };
  const other = await openApp({ oidc: configured({ issuer: failing.url.origin }), clock });
  const statusOf = async () => (await newBrowser(() => other).fetch(`${ORIGIN}/session/oidc`)).status;
  for (let turn = 1; turn <= 3; turn += 1) {
    for (let attempt = 0; attempt < 5; attempt += 1) expect(await statusOf()).toBe(503);
    expect(requests).toBe(turn);
    passedMs += 5_000;
  }
  await other.close();
  await failing.stop(true);
});

test("a public client signs in without a secret, and one that posts its secret does as well", async () => {
  const methods = [
    [{ token_endpoint_auth_method: "none", client_secret: undefined }, { clientSecret: undefined }],
    [{ token_endpoint_auth_method: "client_secret_post" }, {}],
  ] as const;
  for (const [client, options] of methods) {
    await people.stop();
    people = await startOpenIdServer([CALLBACK], client);
    const other = await openApp({ oidc: configured(options) });
    const browser = newBrowser(() => other);
    expect((await browser.fetch((await cameBack(browser)).href)).status).toBe(200);
    await other.close();
  }
});

test("only a path of this server can be returned to", async () => {
  const refused = [
    "https://evil.example",
    "//evil.example",
    "/\\evil.example",
    "/.//evil.example",
    "/x/..//evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "evil",
    "",
    "javascript:alert(1)",
  ];
  for (const path of refused) {
    const response = await newBrowser().fetch(`${ORIGIN}/session/oidc?return=${encodeURIComponent(path)}`);
    expect([path, response.status]).toEqual([path, 400]);
    expect(await response.json()).toMatchObject({ errors: [{ parameter: "return" }] });
  }
});

test("people who sign in are known by the name that the configuration gives them", async () => {
  const other = await openApp({ oidc: configured({ name: ({ email }) => String(email) }) });
  const browser = newBrowser(() => other);
  people.signedIn = "anders";
  await browser.fetch((await cameBack(browser)).href);
  expect(await whoIs(browser)).toMatchObject({
    name: "oidc:anders@people.example",
    grants: ["read:/streams/group-of-anders-*"],
  });
  await other.close();
});

test("the description of the provider is read once for many sign-ins", async () => {
  for (let turn = 0; turn < 3; turn += 1) await cameBack(newBrowser());
  expect(people.requests.get("/.well-known/openid-configuration")).toBe(1);
});

test("a store with an OpenID provider is closed, and one without has nowhere to sign in", async () => {
  expect((await app.fetch("/events")).status).toBe(401);
  const other = await openApp();
  for (const path of ["/session/oidc", "/session/oidc/callback"])
    expect((await other.fetch(path)).status).toBe(404);
  expect((await other.fetch("/events")).status).toBe(200);
  await other.close();
});
