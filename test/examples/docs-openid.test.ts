import { afterEach, beforeEach, expect, test } from "bun:test";
import { join } from "node:path";

import { cleanUp, emptyFolder, serve, type Served } from "../cli/support.ts";
import { openBrowser } from "../http/session/browser.ts";
import { CLIENT_SECRET, type OpenIdServer, startOpenIdServer } from "../http/session/openid-server.ts";
import { documentedCode } from "../support/markdown.ts";

cleanUp();

const PAGE = "src/docs/how-to/sign-in-with-openid.md";
const CALLBACK = "/session/oidc/callback";

async function freePort(): Promise<number> {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const { port = 0 } = server;
  await server.stop(true);
  return port;
}

let people: OpenIdServer;
let server: Served;
beforeEach(async () => {
  const port = await freePort();
  people = await startOpenIdServer([`http://127.0.0.1:${port}${CALLBACK}`]);
  const cwd = emptyFolder();
  const config = documentedCode().find(({ page, code }) => page === PAGE && code.includes("oidc: {"));
  const code = config?.code.replace("https://login.example", people.url) ?? "";
  await Bun.write(join(cwd, "kilde.config.ts"), code);
  await Bun.write(join(cwd, "secret"), `${CLIENT_SECRET}\n`);
  server = await serve(cwd, ["--port", String(port)], {
    environment: { KILDE_OIDC_CLIENT_SECRET_FILE: "secret" },
  });
});
afterEach(async () => {
  await server.stop();
  await people.stop();
});

async function signedIn(person: string) {
  const browser = openBrowser(fetch);
  people.signedIn = person;
  const started = await browser.fetch(`${server.url}/session/oidc?return=/docs`);
  const callback = await people.signIn(started.headers.get("location") ?? "", browser);
  const answer = await browser.fetch(callback.href, { headers: { accept: "text/html" } });
  return { browser, page: await answer.text(), status: answer.status };
}

test("how-to/sign-in-with-openid.md: a person signs in, and may do what the groups allow", async () => {
  expect((await fetch(`${server.url}/events`)).status).toBe(401);
  const { browser, page, status } = await signedIn("ida");
  expect([status, page]).toEqual([200, expect.stringContaining("0;url=/docs")]);
  const question = `${server.url}/session?may=append:/streams/order-7`;
  expect(await (await browser.fetch(question)).json()).toMatchObject({
    kind: "session",
    name: "oidc:ida@people.example",
    grants: ["read:/streams/group-of-ida-*"],
    may: [{ grant: "append:/streams/order-7", granted: false }],
  });
  expect((await browser.fetch(`${server.url}/streams/group-of-ida-1`)).status).toBe(404);
  expect((await browser.fetch(`${server.url}/streams/other`)).status).toBe(403);
  await browser.fetch(`${server.url}/session`, { method: "DELETE" });
  expect((await browser.fetch(`${server.url}/session`)).status).toBe(401);
});

test("neither the log of a server nor its answers have the secret, a code or a token", async () => {
  const { browser, page } = await signedIn("ida");
  const [cookie = ""] = browser.cookies(server.url).values();
  const { stdout, stderr } = await server.stop();
  for (const secret of [CLIENT_SECRET, cookie, "code=", "eyJ"]) {
    expect(secret).not.toBe("");
    expect(stdout + stderr + page).not.toContain(secret);
  }
});
