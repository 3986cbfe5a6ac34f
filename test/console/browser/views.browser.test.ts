import { afterAll, beforeAll, describe, expect } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

import type { Page } from "playwright-core";

import { violationsOf } from "./accessibility.ts";
import { browserTest, hasBrowser, useBrowser } from "./chromium.ts";
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
  feeds: ["/feeds", "payouts"],
  feed: ["/feeds/declarations/v2", "travel-desk"],
  subject: [`/subject?name=${REFUSED_SUBJECT}`, "declarations/v2"],
  consumers: ["/consumers", "travel-desk"],
  consumer: ["/consumers?log=/feeds/declarations/v2&consumer=cards", "No card has this number"],
};

const SCHEMES = ["light", "dark"] as const;
const WIDTHS = [1280, 400] as const;

/** Waits for the parts of a view that arrive later. */
async function expectNothingLoads(page: Page): Promise<void> {
  await page.waitForFunction(() => !document.body.innerText.includes("Loading…"));
}

describe.each(Object.entries(VIEWS))("the view %s", (name, [address, text]) => {
  browserTest.each(SCHEMES)(
    "is accessible, and fits wide and narrow screens, in the %s scheme",
    async (colorScheme) => {
      const page = await browser.open(`${store.url}/console${address}`, { colorScheme, token: store.token });
      await page.getByText(text).first().waitFor();
      await page.getByText("Live", { exact: true }).waitFor();
      await expectNothingLoads(page);
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 900 });
        const scrolled = await page.evaluate(() => document.documentElement.scrollWidth);
        expect(scrolled).toBeLessThanOrEqual(width);
        await page.evaluate(() => scrollTo(0, 0));
        await page.screenshot({
          path: join(SCREENSHOTS, `${name}-${colorScheme}-${width}.png`),
          fullPage: true,
        });
        expect(await violationsOf(page)).toEqual([]);
      }
      expect(await page.title()).toContain("staging");
    },
  );
});
