import { afterAll, afterEach, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";

import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

import { signIn } from "./sign-in.ts";

/** Where packages of Linux and macOS install it. The first one that exists is used. */
const PLACES = [
  process.env["KILDE_CHROMIUM"] ?? "",
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

const EXECUTABLE = PLACES.find((place) => place !== "" && existsSync(place));

if (EXECUTABLE === undefined)
  console.warn(
    "Skipped: there is no Chromium. Install it (Debian: apt-get install chromium), or name its program in KILDE_CHROMIUM.",
  );

/** A test that needs a browser: skipped where there is none. */
export const browserTest = test.skipIf(EXECUTABLE === undefined);

/** Whether the tests of a browser run here, for setup that only they need. */
export const hasBrowser = EXECUTABLE !== undefined;

/** A busy machine needs it. It is shorter than the timeout of tests, so that the report names the element. */
const PATIENCE_MS = 20_000;

/** Chromium logs each request for a subject that a feed does not have. */
export const NOT_PUBLISHED = /status of 404 .*\/subjects\//;

export interface PageOptions extends BrowserContextOptions {
  readonly width?: number;
  /** Opens the page in a session of this key. */
  readonly token?: string;
  /** Called before the page loads. */
  readonly onPage?: (page: Page) => void;
  /** Faults that the test causes, such as the failed requests of a server that is down. */
  readonly expectedFaults?: RegExp;
}

/** A page, with what went wrong in it. */
interface WatchedPage {
  readonly page: Page;
  readonly faults: readonly string[];
}

const watched: WatchedPage[] = [];

/** Reports whatever the policy of the page refuses, in all frames and from the first script on. */
function reportViolations(): void {
  document.addEventListener(
    "securitypolicyviolation",
    ({ violatedDirective, blockedURI, sourceFile, lineNumber }) =>
      console.error(`Policy: ${violatedDirective} refused ${blockedURI} in ${sourceFile}:${lineNumber}`),
  );
}

function watch(page: Page, expectedFaults?: RegExp): void {
  const faults: string[] = [];
  const note = (fault: string): void => {
    if (expectedFaults?.test(fault) !== true) faults.push(fault);
  };
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning")
      note(`console: ${message.text()} (${message.location().url})`);
  });
  page.on("pageerror", (error) => note(`error: ${error.stack ?? error.message}`));
  page.on("dialog", (dialog) => {
    note(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  watched.push({ page, faults });
}

/** Opens pages of one Chromium. */
export interface TestBrowser {
  /** A page of a browser of its own: no cookies or tabs are shared with others. */
  open(url: string, options?: PageOptions): Promise<Page>;
  /** Another tab of the same browser. */
  openBeside(page: Page, url: string, options?: Pick<PageOptions, "expectedFaults">): Promise<Page>;
}

/**
 * Starts Chromium for the tests of a file. A test fails if a page logs an error or a warning, throws, or does something
 * that its policy refuses.
 */
export function useBrowser(): TestBrowser {
  let browser: Browser | undefined;
  beforeAll(async () => {
    if (EXECUTABLE !== undefined)
      browser = await chromium.launch({ executablePath: EXECUTABLE, args: ["--no-sandbox"] });
  });
  afterEach(async () => {
    const pages = watched.splice(0);
    const faults = pages.flatMap((each) => each.faults);
    await Promise.all([...new Set(pages.map(({ page }) => page.context()))].map((each) => each.close()));
    expect(faults).toEqual([]);
  });
  afterAll(() => browser?.close());

  return {
    async open(url, { width = 1280, token, onPage, expectedFaults, ...options } = {}) {
      if (browser === undefined)
        throw new Error("Chromium does not run: call useBrowser at the top of the file");
      const context = await browser.newContext({
        viewport: { width, height: 900 },
        reducedMotion: "reduce",
        ...options,
      });
      context.setDefaultTimeout(PATIENCE_MS);
      await context.addInitScript(reportViolations);
      if (token !== undefined) await signIn(context, new URL(url).origin, token);
      const page = await context.newPage();
      watch(page, expectedFaults);
      onPage?.(page);
      const answer = await page.goto(url);
      if (answer?.ok() !== true) throw new Error(`${url}: ${answer?.status()} ${await answer?.text()}`);
      return page;
    },
    async openBeside(page, url, { expectedFaults } = {}) {
      const tab = await page.context().newPage();
      watch(tab, expectedFaults);
      await tab.goto(url);
      return tab;
    },
  };
}
