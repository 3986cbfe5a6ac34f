import { afterAll, beforeAll, expect } from "bun:test";

import type { Locator, Page } from "playwright-core";

import { browserTest, NOT_PUBLISHED, hasBrowser, useBrowser } from "./chromium.ts";
import { openSampleStore, REFUSED_SUBJECT, type SampleStore } from "./sample-store.ts";

/** The questions of an operator, from the overview: each is answered after at most three clicks. */
const MOST_CLICKS = 3;

const browser = useBrowser();
let store: SampleStore;
beforeAll(async () => {
  if (hasBrowser) store = await openSampleStore();
});
afterAll(() => store?.close());

/** A person at the overview who counts clicks. */
class Operator {
  readonly page: Page;
  #clicks = 0;

  constructor(page: Page) {
    this.page = page;
  }

  async click(target: Locator): Promise<void> {
    this.#clicks += 1;
    expect(this.#clicks).toBeLessThanOrEqual(MOST_CLICKS);
    await target.click();
  }

  link(name: string): Promise<void> {
    return this.click(this.page.getByRole("main").getByRole("link", { name }).first());
  }

  reads(text: string | RegExp): Promise<void> {
    return this.page.getByRole("main").getByText(text).first().waitFor();
  }
}

async function atTheOverview(): Promise<Operator> {
  const page = await browser.open(`${store.url}/console`, {
    token: store.token,
    expectedFaults: NOT_PUBLISHED,
  });
  await page.getByRole("heading", { level: 1, name: "Overview" }).waitFor();
  return new Operator(page);
}

browserTest("who keeps version 1 alive?", async () => {
  const operator = await atTheOverview();
  await operator.link("Feeds");
  const version = operator.page
    .getByRole("article", { name: "Version 1" })
    .filter({ hasText: "travel-desk" });
  await version.getByText("reports").waitFor();
  expect(await version.innerText()).toMatch(/travel-desk\s+silent/);
});

browserTest("why is a subject stale at a consumer?", async () => {
  const operator = await atTheOverview();
  await operator.page.getByLabel("Name of a stream or subject").fill(REFUSED_SUBJECT);
  await operator.click(operator.page.getByRole("button", { name: "Look at it" }));
  await operator.reads(/is blocked at version 1/);
  await operator.reads("No card has this number");
  await operator.reads("Remedy:");
});

browserTest("how does version 2 differ?", async () => {
  const operator = await atTheOverview();
  await operator.page.getByLabel("Name of a stream or subject").fill(REFUSED_SUBJECT);
  await operator.click(operator.page.getByRole("button", { name: "Look at it" }));
  await operator.reads("differs from declarations/v1");
  await operator.reads("/cents");
});

browserTest("what is blocked, why, and what heals it?", async () => {
  const operator = await atTheOverview();
  const problem = operator.page.getByRole("listitem").filter({ hasText: "A webhook fails" });
  await operator.click(problem.getByRole("link"));
  await operator.reads(REFUSED_SUBJECT);
  await operator.reads(/422/);
  await operator.page.getByRole("button", { name: /Retry/ }).first().waitFor();
});
