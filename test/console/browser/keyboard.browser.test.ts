import { afterAll, beforeAll, expect } from "bun:test";

import type { Page } from "playwright-core";

import { browserTest, NOT_PUBLISHED, hasBrowser, useBrowser } from "./chromium.ts";
import { openSampleStore, type SampleStore } from "./sample-store.ts";

const browser = useBrowser();
let store: SampleStore;
beforeAll(async () => {
  if (hasBrowser) store = await openSampleStore();
});
afterAll(() => store?.close());

/** Most presses of Tab until an element is reached. */
const MOST_PRESSES = 80;

async function openView(address: string): Promise<Page> {
  const { url, token, webhook, key } = store;
  const path = address.replace("{webhook}", webhook).replace("{key}", key);
  const page = await browser.open(`${url}/console${path}`, { token, expectedFaults: NOT_PUBLISHED });
  await page.getByText("Live", { exact: true }).waitFor();
  await page.getByRole("heading", { level: 1 }).waitFor();
  await page.waitForFunction(() => !document.body.innerText.includes("Loading…"));
  return page;
}

/** An element as its user finds it: its role or tag, its text, and whether the browser shows that it has the focus. */
function focused(page: Page) {
  return page.evaluate(() => {
    const element = document.activeElement ?? document.body;
    const { outlineStyle, outlineWidth } = getComputedStyle(element);
    const { width, height } = element.getBoundingClientRect();
    return {
      tag: element.localName,
      text: (element.getAttribute("aria-label") ?? element.textContent).trim(),
      isMarked: outlineStyle !== "none" && Number.parseFloat(outlineWidth) >= 1.5 && width > 0 && height > 0,
    };
  });
}

async function tabTo(page: Page, text: string): Promise<void> {
  const passed: string[] = [];
  for (let presses = 0; presses < MOST_PRESSES; presses += 1) {
    await page.keyboard.press("Tab");
    const now = await focused(page);
    if (now.text === text) return;
    passed.push(now.text);
  }
  throw new Error(`Tab does not reach ${text}: ${passed.join(", ")}`);
}

browserTest("the first press of Tab reaches a link that skips the navigation", async () => {
  const page = await openView("");
  await page.keyboard.press("Tab");
  expect(await focused(page)).toEqual({ tag: "a", text: "Skip to the content", isMarked: true });
  await page.keyboard.press("Enter");
  expect((await focused(page)).tag).toBe("main");
  await page.keyboard.press("Tab");
  const isInside = await page.evaluate(() => document.activeElement?.closest("main") !== null);
  expect(isInside).toBe(true);
});

browserTest("every view is reached by keyboard, and gets the focus", async () => {
  const page = await openView("");
  const names = await page.getByRole("navigation").getByRole("link").allTextContents();
  expect(names.length).toBeGreaterThan(2);
  for (const name of [...names.slice(1), names[0] ?? ""]) {
    await page.getByRole("link", { name: "Skip to the content" }).focus();
    await tabTo(page, name);
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { level: 1, name }).waitFor();
    expect((await focused(page)).tag).toBe("main");
    expect(await page.title()).toStartWith(name);
  }
});

browserTest("back and forward return to the views", async () => {
  const page = await openView("/streams");
  await page.getByRole("navigation").getByRole("link", { name: "Feeds" }).click();
  await page.getByRole("heading", { level: 1, name: "Feeds" }).waitFor();
  await page.goBack();
  await page.getByRole("heading", { level: 1, name: "Streams" }).waitFor();
  await page.goForward();
  await page.getByRole("heading", { level: 1, name: "Feeds" }).waitFor();
});

const ADDRESSES = [
  "",
  "/streams",
  "/stream?name=budget-2030",
  "/feeds/declarations/v2",
  "/subject?name=budget-2030",
  "/consumers",
  "/webhooks",
  "/webhooks/{webhook}",
  "/keys",
  "/keys/{key}",
];

browserTest.each(ADDRESSES)(
  "the browser marks each element of /console%s that has the focus",
  async (address) => {
    const page = await openView(address);
    const unmarked: string[] = [];
    for (let presses = 0; presses < MOST_PRESSES / 2; presses += 1) {
      await page.keyboard.press("Tab");
      const { tag, text, isMarked } = await focused(page);
      if (tag === "body") break;
      if (!isMarked) unmarked.push(`${tag}: ${text}`);
    }
    expect(unmarked).toEqual([]);
  },
);

browserTest("a dialog keeps the focus inside, asks for the name, and returns the focus", async () => {
  const page = await openView("/feeds/payouts/v1");
  const button = page
    .getByRole("article")
    .filter({ hasText: "/feeds/declarations/v2" })
    .getByRole("button", { name: "Retire…" });
  await button.focus();
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog", { name: /Retire payouts/ });
  await dialog.waitFor();
  for (let presses = 0; presses < 12; presses += 1) {
    await page.keyboard.press("Tab");
    // Between its last and first element, the focus is on the browser.
    const isInside = await page.evaluate(
      () => document.activeElement === document.body || document.activeElement?.closest("dialog") !== null,
    );
    expect(isInside).toBe(true);
  }
  const confirm = dialog.getByRole("button", { name: "Retire", exact: true });
  expect(await confirm.isDisabled()).toBe(true);
  await dialog.getByRole("textbox", { name: /to confirm/ }).fill("payouts/v2");
  expect(await confirm.isDisabled()).toBe(true);
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "hidden" });
  expect(await button.evaluate((element) => element === document.activeElement)).toBe(true);
  expect((await store.client.feeds.list()).map(({ feed }) => feed)).toContain("payouts");
});
