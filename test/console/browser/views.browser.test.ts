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
  consumer: ["/consumers?log=/feeds/declarations/v2&consumer=cards", "No card has this number"],
};

const SCHEMES = ["light", "dark"] as const;
const WIDTHS = [1280, 400] as const;

/** Waits until a view has its data. */
async function expectShown(page: Page, text: string): Promise<void> {
  await page.getByText(text).first().waitFor();
  await page.waitForFunction(() => !document.body.innerText.includes("Loading…"));
}

/** Takes a picture of the page in each width, and fails if it scrolls sideways or axe finds a violation. */
async function expectWellFormed(page: Page, name: string): Promise<void> {
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 900 });
    await page.evaluate(() => scrollTo(0, 0));
    await page.screenshot({ path: join(SCREENSHOTS, `${name}-${width}.png`), fullPage: true });
    const scrolled = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(scrolled).toBeLessThanOrEqual(width);
    expect(await violationsOf(page)).toEqual([]);
  }
}

describe.each(Object.entries(VIEWS))("the view %s", (name, [address, text]) => {
  browserTest.each(SCHEMES)(
    "is accessible in the %s scheme, and fits wide and narrow screens",
    async (colorScheme) => {
      const { url, token } = store;
      const page = await browser.open(`${url}/console${address}`, {
        colorScheme,
        token,
        expectedFaults: NOT_PUBLISHED,
      });
      await expectShown(page, text);
      await page.getByText("Live", { exact: true }).waitFor();
      await expectWellFormed(page, `${name}-${colorScheme}`);
      expect(await page.title()).toContain("staging");
    },
  );
});

browserTest.each(SCHEMES)(
  "a dialog is accessible in the %s scheme, and fits wide and narrow screens",
  async (colorScheme) => {
    const { url, token } = store;
    const page = await browser.open(`${url}/console/feeds/declarations/v1`, { colorScheme, token });
    await page
      .getByRole("article")
      .filter({ hasText: "travel-desk" })
      .getByRole("button", { name: "Retire…" })
      .click();
    await expectShown(page, "Type");
    await expectWellFormed(page, `dialog-${colorScheme}`);
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
