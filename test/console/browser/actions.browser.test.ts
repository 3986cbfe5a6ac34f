import { afterAll, beforeAll, expect } from "bun:test";

import type { Locator, Page } from "playwright-core";

import { eventually } from "../../support/eventually.ts";
import { browserTest, hasBrowser, NOT_PUBLISHED, useBrowser } from "./chromium.ts";
import { openSampleStore, REFUSED_SUBJECT, type SampleStore } from "./sample-store.ts";

const browser = useBrowser();
let store: SampleStore;
beforeAll(async () => {
  if (hasBrowser) store = await openSampleStore();
});
afterAll(() => store?.close());

function open(address: string, expectedFaults = NOT_PUBLISHED): Promise<Page> {
  return browser.open(`${store.url}/console${address}`, { token: store.token, expectedFaults });
}

async function openDialog(page: Page, button: string): Promise<Locator> {
  await page.getByRole("button", { name: button, exact: true }).first().click();
  return page.getByRole("dialog");
}

/** Reason of the latest entry of a type in the log of administration. */
async function recordedReason(type: string): Promise<string | undefined> {
  const options = { feed: "/operations", direction: "backwards", limit: 20 } as const;
  const entries = await Array.fromAsync(store.client.read(options));
  const entry = entries.find((each) => each.type === type);
  return (entry?.data as { readonly reason?: string } | undefined)?.reason;
}

browserTest(
  "a redelivery is counted first, and one of all events needs the id of its subscription",
  async () => {
    const page = await open(`/webhooks/${store.webhook}`);
    const dialog = await openDialog(page, "Deliver again…");
    await dialog.getByRole("button", { name: "Count the events" }).click();
    await dialog.getByText(/would be delivered again/).waitFor();
    const deliver = dialog.getByRole("button", { name: /^Deliver [\d,]+ events again$/ });
    expect(await deliver.isDisabled()).toBe(true);
    expect((await store.client.subscriptions.get(store.webhook)).rewind).toBeNull();
    await dialog.getByRole("textbox", { name: /to confirm/ }).fill(store.webhook);
    await dialog.getByRole("textbox", { name: /Reason/ }).fill("The cards were restored");
    await deliver.click();
    await dialog.waitFor({ state: "hidden" });
    expect(await recordedReason("kilde.subscription.rewound")).toBe("The cards were restored");
  },
);

browserTest("skipping an event needs the name of its subject, and the reason is recorded", async () => {
  const page = await open(`/webhooks/${store.webhook}`);
  const dialog = await openDialog(page, `Skip the event of ${REFUSED_SUBJECT}`);
  const skip = dialog.getByRole("button", { name: "Skip", exact: true });
  await dialog.getByRole("textbox", { name: /to confirm/ }).fill("declaration");
  expect(await skip.isDisabled()).toBe(true);
  await dialog.getByRole("textbox", { name: /to confirm/ }).fill(REFUSED_SUBJECT);
  await dialog.getByRole("textbox", { name: /Reason/ }).fill("The card was never issued");
  await skip.click();
  await dialog.waitFor({ state: "hidden" });
  await eventually(
    async () => (await recordedReason("kilde.subject.skipped")) === "The card was never issued",
  );
});

browserTest("a new key's token is shown once, and opens a session", async () => {
  const page = await open("/keys");
  const dialog = await openDialog(page, "Create a key…");
  await dialog.getByLabel("Name").fill("search");
  await dialog.getByLabel(/Grants/).fill("read:/events");
  await dialog.getByRole("button", { name: "Create" }).click();
  const token =
    (await page
      .getByRole("code")
      .filter({ hasText: /^kilde_/ })
      .textContent()) ?? "";
  const answer = await fetch(`${store.url}/session`, { headers: { authorization: `Bearer ${token}` } });
  expect(await answer.json()).toMatchObject({ name: "search", grants: ["read:/events"] });
  await page.reload();
  await page.getByRole("link", { name: "search" }).waitFor();
  expect(await page.locator("body").innerText()).not.toContain(token);
});

browserTest(
  "a version that is read is retired only with its name, after the server refused it once",
  async () => {
    const page = await open("/feeds", /status of (409|410)/);
    const card = page.getByRole("article").filter({ hasText: "travel-desk" });
    await card.getByRole("button", { name: "Retire…" }).click();
    const dialog = page.getByRole("dialog");
    await dialog.getByText("reports").waitFor();
    await dialog.getByRole("textbox", { name: /to confirm/ }).fill("declarations/v1");
    await dialog.getByRole("button", { name: "Retire", exact: true }).click();
    await dialog.getByRole("alert").waitFor();
    await dialog.getByRole("textbox", { name: /Reason/ }).fill("Nobody needs amounts as numbers");
    await dialog.getByRole("button", { name: /in use/ }).click();
    await dialog.waitFor({ state: "hidden" });
    await card.waitFor({ state: "hidden" });
    expect(await recordedReason("kilde.feed.retired")).toBe("Nobody needs amounts as numbers");
  },
);
