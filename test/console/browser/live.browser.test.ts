import { afterAll, beforeAll, expect } from "bun:test";

import type { Page } from "playwright-core";

import { eventually } from "../../support/eventually.ts";
import { browserTest, hasBrowser, useBrowser } from "./chromium.ts";
import { type ConsoleServer, openConsoleServer } from "./console-server.ts";

const browser = useBrowser();
let server: ConsoleServer;
beforeAll(async () => {
  if (hasBrowser) server = await openConsoleServer();
});
afterAll(() => server?.close());

/** Chromium logs each request that the stopped server does not answer. */
const DOWN = /net::ERR_|Failed to load resource/;

/** Time from an append to its display. */
const VISIBLE_MS = 1_000;

/** Most time between the message of a bare connection and the display: a rest between two loads, and a request. */
const BEHIND_BARE_MS = 700;

const SAMPLES = 9;

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[Math.floor(values.length / 2)] ?? Number.NaN;
}

async function append(stream: string, type: string): Promise<number> {
  await server.client.append(stream, { type, data: { at: Date.now() } });
  return Date.now();
}

/** The status of the connection, as the page shows it. */
function status(page: Page, text: string | RegExp) {
  return page.getByRole("banner").getByRole("status").filter({ hasText: text });
}

function event(page: Page, type: string) {
  return page.getByRole("main").getByRole("heading", { name: type });
}

async function openStream(stream: string): Promise<Page> {
  const page = await browser.open(`${server.url}/console/stream?name=${stream}`, { expectedFaults: DOWN });
  await status(page, /^Live$/).waitFor();
  return page;
}

/** Resolves with the time at which the page shows a type of event. */
function shownAt(page: Page, type: string): Promise<number> {
  return page.evaluate(
    (text) =>
      new Promise<number>((resolve) => {
        const look = (): void => {
          if (!document.body.textContent.includes(text)) return;
          observer.disconnect();
          resolve(Date.now());
        };
        const observer = new MutationObserver(look);
        observer.observe(document.body, { subtree: true, childList: true, characterData: true });
        look();
      }),
    type,
  );
}

async function followers(): Promise<number> {
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  return Number(/^kilde_followers(?:\{[^}]*\})? (\d+)$/m.exec(metrics)?.[1]);
}

browserTest("an append is visible within a second, and soon after a bare connection reports it", async () => {
  await append("quick-1", "Started");
  const page = await openStream("quick-1");
  await event(page, "Started").waitFor();
  const closing = new AbortController();
  const reports: number[] = [];
  const following = (async () => {
    for await (const { logs } of server.client.changes({ signal: closing.signal }))
      if (logs?.["/events"] !== undefined) reports.push(Date.now());
  })();
  await eventually(() => reports.length > 0);
  const [delays, bareDelays]: [number[], number[]] = [[], []];
  for (let sample = 0; sample < SAMPLES; sample += 1) {
    const before = reports.length;
    const shown = shownAt(page, `Sample${sample}`);
    const answered = await append("quick-1", `Sample${sample}`);
    delays.push((await shown) - answered);
    await eventually(() => reports.length > before);
    bareDelays.push((reports[before] ?? 0) - answered);
  }
  closing.abort();
  await following.catch(() => {});
  const [shown, bare] = [median(delays), median(bareDelays)];
  console.log(`Visible after ${shown} ms; a bare connection reports it after ${bare} ms (medians)`);
  expect(shown).toBeLessThan(Math.max(VISIBLE_MS, bare + BEHIND_BARE_MS));
});

browserTest(
  "a page whose server was killed reports that it is not live, reconnects, and shows what it missed",
  async () => {
    await append("killed-1", "Before");
    const page = await openStream("killed-1");
    await event(page, "Before").waitFor();
    await server.stop("SIGKILL");
    await status(page, "Connection lost").waitFor();
    expect(await event(page, "Before").isVisible()).toBe(true);
    await server.start();
    for (let count = 1; count <= 5; count += 1) await append("killed-1", `Missed${count}`);
    await status(page, /^Live$/).waitFor();
    for (let count = 1; count <= 5; count += 1) await event(page, `Missed${count}`).waitFor();
    await append("killed-1", "After");
    await event(page, "After").waitFor();
    expect(
      await page
        .getByRole("listitem")
        .filter({ hasText: /Before|Missed|After/ })
        .count(),
    ).toBe(7);
  },
);

async function kilde(...args: readonly string[]): Promise<void> {
  const { exitCode, stderr } = await server.kilde(...args);
  if (exitCode !== 0) throw new Error(stderr);
}

browserTest(
  "a page whose server was restored from a backup shows the restored events, and later ones",
  async () => {
    await append("restored-1", "Kept");
    await kilde("backup", "restored.db");
    await append("restored-1", "Lost");
    const page = await openStream("restored-1");
    await event(page, "Lost").waitFor();
    await server.stop();
    await status(page, "Connection lost").waitFor();
    await kilde("restore", "restored.db", "--force");
    await server.start();
    await status(page, /^Live$/).waitFor();
    await event(page, "Lost").waitFor({ state: "hidden" });
    expect(await event(page, "Kept").isVisible()).toBe(true);
    await server.client.append("restored-1", { type: "After" }, { logIdentity: null });
    await event(page, "After").waitFor();
  },
);

browserTest(
  "the tabs of a browser share one connection, and closing the leading tab hands it over",
  async () => {
    await append("tabs-1", "Started");
    // The server may not have noticed yet that the pages before were closed.
    await eventually(async () => (await followers()) === 0);
    const leader = await openStream("tabs-1");
    const follower = await browser.openBeside(leader, leader.url());
    await status(follower, /^Live$/).waitFor();
    expect(await followers()).toBe(1);
    await append("tabs-1", "SeenByBoth");
    for (const page of [leader, follower]) await event(page, "SeenByBoth").waitFor();

    await leader.close();
    await eventually(async () => (await followers()) === 1);
    await append("tabs-1", "SeenByTheOther");
    await event(follower, "SeenByTheOther").waitFor();
    await status(follower, /^Live$/).waitFor();
  },
);

/** Has a page take itself for hidden, or shown. */
async function setHidden(page: Page, isHidden: boolean): Promise<void> {
  await page.evaluate((hidden) => {
    Object.defineProperty(document, "hidden", { configurable: true, value: hidden });
    document.dispatchEvent(new Event("visibilitychange"));
  }, isHidden);
}

/** Holds the timers of a hidden page, which browsers delay by up to a minute. Returns a function that lets them go. */
async function holdTimers(page: Page): Promise<() => Promise<void>> {
  const held = await page.evaluateHandle(() => {
    const { setTimeout, clearTimeout } = globalThis;
    const timers = new Map<number, Parameters<typeof setTimeout>>();
    globalThis.setTimeout = ((...timer: Parameters<typeof setTimeout>) => {
      const id = -1 - timers.size;
      timers.set(id, timer);
      return id;
    }) as unknown as typeof setTimeout;
    globalThis.clearTimeout = ((id: number) => {
      if (timers.has(id)) timers.set(id, [() => {}]);
      else clearTimeout(id);
    }) as typeof clearTimeout;
    return () => {
      globalThis.setTimeout = setTimeout;
      for (const timer of timers.values()) setTimeout(...timer);
    };
  });
  return () => held.evaluate((letGo) => letGo());
}

async function restart(...pages: readonly Page[]): Promise<void> {
  await server.stop("SIGKILL");
  for (const page of pages) await status(page, "Connection lost").waitFor();
  await server.start();
}

browserTest("a hidden page that lost its connection connects at once when it is shown", async () => {
  const page = await openStream("hidden-1");
  await setHidden(page, true);
  const letGo = await holdTimers(page);
  await restart(page);
  await setHidden(page, false);
  await status(page, /^Live$/).waitFor();
  await letGo();
  await append("hidden-1", "After");
  await event(page, "After").waitFor();
});

browserTest("a tab that is shown takes the lost connection over from one that is hidden", async () => {
  await eventually(async () => (await followers()) === 0);
  const leader = await openStream("hidden-2");
  const shown = await browser.openBeside(leader, leader.url(), { expectedFaults: DOWN });
  await status(shown, /^Live$/).waitFor();
  await setHidden(leader, true);
  const letGo = await holdTimers(leader);
  await restart(leader, shown);
  for (const page of [shown, leader]) await status(page, /^Live$/).waitFor();
  await append("hidden-2", "After");
  await event(shown, "After").waitFor();
  await eventually(async () => (await followers()) === 1);

  await setHidden(leader, false);
  await letGo();
  await shown.close();
  await eventually(async () => (await followers()) === 1);
  await append("hidden-2", "SeenByTheFormerLeader");
  await event(leader, "SeenByTheFormerLeader").waitFor();
});

/** Requests of a page while something happens. */
async function requestsDuring(page: Page, action: () => Promise<unknown>): Promise<number> {
  let count = 0;
  const note = (): void => {
    count += 1;
  };
  page.on("request", note);
  await action();
  page.off("request", note);
  return count;
}

browserTest("a page sends no requests while nothing changes, and few while much does", async () => {
  await append("busy-1", "Started");
  const page = await openStream("busy-1");
  await event(page, "Started").waitFor();
  // The first message of the connection leads to one more load.
  await Bun.sleep(1_000);
  expect(await requestsDuring(page, () => Bun.sleep(2_000))).toBe(0);
  const during = await requestsDuring(page, async () => {
    for (let count = 1; count <= 200; count += 1) {
      await append("busy-1", `Busy${count}`);
      await Bun.sleep(5);
    }
    await event(page, "Busy200").waitFor();
  });
  expect(during).toBeGreaterThan(0);
  expect(during).toBeLessThan(40);
});
