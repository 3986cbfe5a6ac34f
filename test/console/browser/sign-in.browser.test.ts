import { afterAll, beforeAll, expect } from "bun:test";

import type { Page } from "playwright-core";

import { CLIENT_ID, CLIENT_SECRET, startOpenIdServer } from "../../http/session/openid-server.ts";
import { violationsOf } from "./accessibility.ts";
import { browserTest, hasBrowser, useBrowser } from "./chromium.ts";
import { openConsoleServer } from "./console-server.ts";
import { openSampleStore, type SampleStore } from "./sample-store.ts";

const browser = useBrowser();
let store: SampleStore;
beforeAll(async () => {
  if (hasBrowser) store = await openSampleStore();
});
afterAll(() => store?.close());

/** Chromium logs each refused request. */
const REFUSED = /the server responded with a status of 40[13]/;

function open(address = ""): Promise<Page> {
  return browser.open(`${store.url}/console${address}`, { expectedFaults: REFUSED });
}

async function enter(page: Page, token: string): Promise<void> {
  await page.getByLabel("Token of a key").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
}

function createKey(name: string, grants: readonly string[], expires: string | null = null) {
  return store.client.keys.create({ name, grants, expires });
}

browserTest("without a key the page shows the sign-in, and nothing of the store", async () => {
  const page = await open("/feeds");
  await page.getByRole("heading", { name: "Sign in to Kilde" }).waitFor();
  expect(await page.locator("body").innerText()).not.toContain("declarations");
  expect(await page.getByText("staging").count()).toBe(1);
  expect(await violationsOf(page)).toEqual([]);
});

browserTest("a wrong key and an expired one are refused, with the remedy", async () => {
  const soon = new Date(Date.now() + 500).toISOString();
  const { token: expired } = await createKey("short-lived", ["read:/events"], soon);
  await Bun.sleep(600);
  const page = await open();
  for (const token of ["kilde_wrong", expired]) {
    await enter(page, token);
    const alert = page.getByRole("alert");
    await alert.waitFor();
    expect(await alert.innerText()).toContain("Remedy:");
    expect(await page.getByRole("navigation").count()).toBe(0);
    expect(await violationsOf(page)).toEqual([]);
  }
});

browserTest("a key opens the view of the address, and signing out closes it", async () => {
  const page = await open("/feeds");
  await enter(page, store.token);
  await page.getByRole("heading", { level: 1, name: "Feeds" }).waitFor();
  await page.getByText("staging").waitFor();
  expect(await page.title()).toContain("staging");
  const kept = await page.evaluate(() =>
    JSON.stringify([document.cookie, Object.entries(localStorage), Object.entries(sessionStorage)]),
  );
  expect(kept).not.toContain("kilde_");
  await page.reload();
  await page.getByRole("heading", { level: 1, name: "Feeds" }).waitFor();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in to Kilde" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "Sign in to Kilde" }).waitFor();
});

browserTest("another tab shows the person who signs in, and asks to sign in after the sign-out", async () => {
  const page = await open("/feeds");
  const other = await page.context().newPage();
  await other.goto(page.url());
  await enter(page, store.token);
  await other.getByRole("heading", { level: 1, name: "Feeds" }).waitFor();
  await other.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in to Kilde" }).waitFor();
  const { token } = await createKey("second-person", ["read:/feeds/*", "read:/events"]);
  await enter(page, token);
  await other.getByText("second-person").waitFor();
  await other.close();
});

browserTest(
  "a key that may only read sees no action that changes something, and the server refuses it anyway",
  async () => {
    const page = await open("/feeds");
    const { token } = await createKey("reader", ["read:/feeds/*", "read:/events"]);
    await enter(page, token);
    await page
      .getByRole("article", { name: /Version 1/ })
      .first()
      .waitFor();
    await page.getByText("Loading…").waitFor({ state: "hidden" });
    expect(await page.getByRole("button", { name: /Retire|Resume|Build again/ }).count()).toBe(0);
    const refused = await page.evaluate(
      async () => (await fetch("/feeds/payouts/v1", { method: "DELETE" })).status,
    );
    expect(refused).toBe(403);
  },
);

browserTest(
  "revoking a key ends the sessions that it opened, and the page asks to sign in again",
  async () => {
    const page = await open("/streams");
    const { key, token } = await createKey("guest", ["read:/events"]);
    await enter(page, token);
    await page.getByRole("heading", { level: 1, name: "Streams" }).waitFor();
    await store.client.keys.revoke(key);
    await page.getByText("Your session has ended.").waitFor();
  },
);

browserTest(
  "a person signs in at the OpenID provider, returns to the view, and sees only what the claims grant",
  async () => {
    const server = await openConsoleServer();
    const provider = await startOpenIdServer([`${server.url}/session/oidc/callback`]);
    try {
      await server.client.append("group-of-mette-1", { type: "Allowed" });
      await server.client.append("group-of-others-1", { type: "Forbidden" });
      await server.stop();
      await server.start({
        config: "openid-config.ts",
        environment: {
          KILDE_TEST_ISSUER: provider.url,
          KILDE_TEST_CLIENT: CLIENT_ID,
          KILDE_OIDC_CLIENT_SECRET: CLIENT_SECRET,
        },
      });
      const page = await browser.open(`${server.url}/console/stream?name=group-of-mette-1`, {
        expectedFaults: REFUSED,
      });
      await page.getByRole("link", { name: "Sign in with your organization" }).click();
      await page.getByRole("heading", { name: "Allowed" }).waitFor();
      expect(page.url()).toBe(`${server.url}/console/stream?name=group-of-mette-1`);
      expect(await page.getByRole("banner").innerText()).toContain("mette@people.example");
      await page.goto(`${server.url}/console/stream?name=group-of-others-1`);
      await page.getByRole("alert").waitFor();
      expect(await page.getByRole("main").innerText()).not.toContain("Forbidden");
      await page.close();
    } finally {
      await provider.stop();
      await server.close();
    }
  },
);
