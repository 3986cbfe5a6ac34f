import { afterAll, beforeAll, expect } from "bun:test";

import type { Locator, Page } from "playwright-core";
import { Webhook } from "standardwebhooks";

import { eventually } from "../../support/eventually.ts";
import { violationsOf } from "./accessibility.ts";
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

/** The text of a secret that the page shows. */
async function shownSecret(page: Page, form: RegExp): Promise<string> {
  return (await page.getByRole("code").filter({ hasText: form }).textContent()) ?? "";
}

browserTest("a new subscription's secret is shown once, and signs what its endpoint receives", async () => {
  const page = await open("/webhooks");
  const dialog = await openDialog(page, "Create a subscription…");
  await dialog.getByLabel("Log", { exact: true }).selectOption("declarations/v2");
  await dialog.getByLabel("Endpoint").fill(`${store.endpoint}/mail`);
  await dialog.getByLabel(/Description/).fill("Mail");
  await dialog.getByLabel("First event").selectOption("The first one of the log");
  await dialog.getByLabel(/Reason/).fill("Mail moves to the new feed");
  await dialog.getByRole("button", { name: "Create" }).click();
  const secret = await shownSecret(page, /^whsec_/);
  const created = (await Array.fromAsync(store.client.subscriptions.list())).find(
    ({ description }) => description === "Mail",
  );
  expect(created).toMatchObject({ source: "/feeds/declarations/v2", url: `${store.endpoint}/mail` });
  expect(await recordedReason("kilde.subscription.created")).toBe("Mail moves to the new feed");
  await eventually(() => store.delivered.some(({ url }) => url.endsWith("/mail")));
  const delivery = store.delivered.find(({ url }) => url.endsWith("/mail"));
  new Webhook(secret).verify(delivery?.body ?? "", delivery?.headers ?? {});
  await page.reload();
  await page.getByRole("link", { name: "Mail" }).waitFor();
  expect(await page.locator("body").innerText()).not.toContain(secret);
});

browserTest("a subscription is created by keyboard, from the log whose webhooks are shown", async () => {
  const page = await open("/webhooks?source=/feeds/payouts/v1");
  const arrival = Promise.withResolvers<void>();
  await page.route("**/feeds", async (route) => {
    await arrival.promise;
    await route.continue();
  });
  await page.getByRole("button", { name: "Create a subscription…" }).focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  expect(
    await dialog.getByLabel("Log", { exact: true }).evaluate((element) => element === document.activeElement),
  ).toBe(true);
  await page.keyboard.press("Tab");
  await page.keyboard.type(`${store.endpoint}/keyboard`);
  // Until the logs have arrived, the form would be about another one.
  const create = dialog.getByRole("button", { name: "Create" });
  expect(await create.isDisabled()).toBe(true);
  arrival.resolve();
  await dialog.getByRole("option", { name: "payouts/v1" }).waitFor({ state: "attached" });
  await page.keyboard.press("Enter");
  await shownSecret(page, /^whsec_/);
  await page.locator(':focus[aria-label="The secret of the new subscription"]').waitFor();
  const { value: created } = await store.client.subscriptions.list({ source: "/feeds/payouts/v1" }).next();
  expect(created).toMatchObject({ url: `${store.endpoint}/keyboard` });
});

browserTest("the form of a subscription shows what the server refuses at its field", async () => {
  const page = await open("/webhooks", /status of 422/);
  const dialog = await openDialog(page, "Create a subscription…");
  const endpoint = dialog.getByLabel("Endpoint");
  await dialog.getByLabel("Log", { exact: true }).selectOption("Event log");
  await endpoint.fill("http://user:secret@10.0.0.1/hook");
  expect(await endpoint.getAttribute("aria-invalid")).toBeNull();
  await dialog.getByRole("button", { name: "Create" }).click();
  await dialog.getByRole("alert").waitFor();
  expect(await dialog.getByRole("alert").getByText("must not hold").count()).toBe(1);
  expect(await endpoint.getAttribute("aria-invalid")).toBe("true");
  const described = await endpoint.evaluate((element) =>
    (element.getAttribute("aria-describedby") ?? "")
      .split(" ")
      .map((id) => document.getElementById(id)?.textContent ?? "")
      .join(" "),
  );
  expect(described).toContain("must not");
  await dialog.locator(":focus[aria-invalid]").waitFor();
  expect(await violationsOf(page)).toEqual([]);
});

browserTest("a sender who may not manage subscriptions gets no form for one", async () => {
  const { token } = await store.client.keys.create({ name: "reader", grants: ["read:/events"] });
  const page = await browser.open(`${store.url}/console/webhooks`, {
    token,
    expectedFaults: /status of 403/,
  });
  await page.getByRole("alert").getByText("manage:/subscriptions").first().waitFor();
  expect(await page.getByRole("button", { name: /Create/ }).count()).toBe(0);
});

browserTest("a new key's token is shown once, and opens a session", async () => {
  const page = await open("/keys");
  const dialog = await openDialog(page, "Create a key…");
  await dialog.getByLabel("Name").fill("search");
  await dialog.getByLabel(/Grants/).fill("read:/events");
  await dialog.getByRole("button", { name: "Create" }).click();
  const token = await shownSecret(page, /^kilde_/);
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
