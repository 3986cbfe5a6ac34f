import { afterAll, beforeAll, describe, expect } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import type { Page } from "playwright-core";

import { violationsOf } from "./accessibility.ts";
import { browserTest, NOT_PUBLISHED, hasBrowser, useBrowser } from "./chromium.ts";
import { type ConsoleServer, openConsoleServer } from "./console-server.ts";
import { openSampleStore, REFUSED_SUBJECT, type SampleStore } from "./sample-store.ts";

const SCREENSHOTS = join(import.meta.dir, "../../../screenshots");

const browser = useBrowser();
let store: SampleStore;
beforeAll(async () => {
  if (!hasBrowser) return;
  mkdirSync(SCREENSHOTS, { recursive: true });
  store = await openSampleStore();
});
afterAll(() => store?.close());

/** Each view: its address, and a text that it shows once its data has arrived. */
const VIEWS: Readonly<Record<string, readonly [address: string, text: string]>> = {
  overview: ["", "A feed is halted"],
  streams: ["/streams", "budget-2030"],
  stream: [`/stream?name=${REFUSED_SUBJECT}`, "DeclarationSubmittedByEmployee"],
  causation: [`/causation?event=3004`, "ApprovalSent"],
  feeds: ["/feeds", "payouts"],
  feed: ["/feeds/declarations/v2", "travel-desk"],
  subject: [`/subject?name=${REFUSED_SUBJECT}`, "declarations/v2"],
  consumers: ["/consumers", "travel-desk"],
  webhooks: ["/webhooks", "The archive moves"],
  webhook: ["/webhooks/{webhook}", "waits for a retry or skip"],
  keys: ["/keys", "as consumer cards"],
  key: ["/keys/{key}", "read:/feeds/declarations"],
  consumer: ["/consumers?log=/feeds/declarations/v2&consumer=cards", "No card has this number"],
};

const SCHEMES = ["light", "dark"] as const;
const WIDTHS = [1280, 400] as const;

/** Waits until a view has its data. */
async function expectShown(page: Page, text: string): Promise<void> {
  await page.getByText(text).first().waitFor();
  await page.waitForFunction(() => !document.body.innerText.includes("Loading…"));
}

/** Takes pictures of the page, and fails if it scrolls sideways or axe finds a violation. */
async function expectWellFormed(page: Page, name: string, fullPage = true): Promise<void> {
  for (const colorScheme of SCHEMES) {
    await page.emulateMedia({ colorScheme });
    for (const width of WIDTHS) {
      // Dialogs are alike: a wide, light picture and a narrow, dark one of each suffice.
      if (!fullPage && (colorScheme === "light") !== (width === 1280)) continue;
      await page.setViewportSize({ width, height: 900 });
      await page.evaluate(() => scrollTo(0, 0));
      await page.screenshot({
        path: join(SCREENSHOTS, `${name}-${colorScheme}-${width}.png`),
        fullPage,
      });
      const scrolled = await page.evaluate(() => document.documentElement.scrollWidth);
      expect(scrolled).toBeLessThanOrEqual(width);
      expect(await violationsOf(page)).toEqual([]);
    }
  }
}

async function openView(address: string, text: string): Promise<Page> {
  const { url, token, webhook, key } = store;
  const path = address.replace("{webhook}", webhook).replace("{key}", key);
  const page = await browser.open(`${url}/console${path}`, { token, expectedFaults: NOT_PUBLISHED });
  await expectShown(page, text);
  await page.getByText("Live", { exact: true }).waitFor();
  return page;
}

browserTest.each(Object.entries(VIEWS))(
  "the view %s is accessible, and fits wide and narrow screens in both color schemes",
  async (name, [address, text]) => {
    const page = await openView(address, text);
    await expectWellFormed(page, name);
    expect(await page.title()).toContain("staging");
  },
);

/** Each dialog: the view and the button that opens it. */
const DIALOGS: Readonly<Record<string, readonly [view: string, button: string]>> = {
  append: ["stream", "Append…"],
  erase: ["stream", "Erase…"],
  retire: ["feed", "Retire…"],
  forget: ["consumer", "Forget…"],
  pause: ["webhook", "Pause…"],
  rewind: ["webhook", "Deliver again…"],
  "rotate-secret": ["webhook", "Rotate the secret…"],
  remove: ["webhook", "Remove…"],
  skip: ["webhook", `Skip the event of ${REFUSED_SUBJECT}`],
  "create-subscription": ["webhooks", "Create a subscription…"],
  "create-key": ["keys", "Create a key…"],
  "rotate-key": ["key", "Rotate…"],
  revoke: ["key", "Revoke…"],
};

browserTest.each(Object.entries(DIALOGS))(
  "the dialog %s is accessible, fits, and returns the focus without doing anything",
  async (name, [view, button]) => {
    const page = await openView(...(VIEWS[view] ?? ["", ""]));
    const opener = page.getByRole("button", { name: button, exact: true }).first();
    await opener.click();
    const dialog = page.getByRole("dialog");
    await dialog.waitFor();
    await expectShown(page, "Cancel");
    await expectWellFormed(page, `dialog-${name}`, false);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    expect(await opener.evaluate((element) => element === document.activeElement)).toBe(true);
  },
);

describe("an empty store", () => {
  let empty: ConsoleServer;
  beforeAll(async () => {
    if (hasBrowser) empty = await openConsoleServer();
  });
  afterAll(() => empty?.close());

  /** Each view, and the text that it shows when there is nothing else. */
  const EMPTY: Readonly<Record<string, readonly [address: string, text: string]>> = {
    overview: ["", "The store is empty"],
    streams: ["/streams", "There is no stream yet"],
    feeds: ["/feeds", "no feed"],
    consumers: ["/consumers", "No consumer has read"],
    webhooks: ["/webhooks", "kilde webhooks create"],
    keys: ["/keys", "kilde keys create"],
  };
  browserTest.each(Object.entries(EMPTY))(
    "has a view %s that shows the first step",
    async (name, [address, text]) => {
      const page = await browser.open(`${empty.url}/console${address}`);
      await expectShown(page, text);
      await expectWellFormed(page, `empty-${name}`);
    },
  );
});
