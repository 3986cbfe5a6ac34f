import { Database } from "bun:sqlite";
import { afterAll, beforeAll, expect } from "bun:test";
import { join } from "node:path";

import type { Page, Request } from "playwright-core";

import { browserTest, hasBrowser, useBrowser } from "./chromium.ts";
import { type ConsoleServer, openConsoleServer } from "./console-server.ts";

const STREAMS = 1_000_000;
const CONSUMERS = 10_000;

/** Most requests and bytes of bodies until a view is usable; all scripts of the console take less than twice as much. */
const MOST_REQUESTS = 20;
const MOST_BYTES = 120_000;

/** Most elements of a page: what a browser lays out at once. */
const MOST_ELEMENTS = 3_000;

const browser = useBrowser();
let server: ConsoleServer;
beforeAll(async () => {
  if (!hasBrowser) return;
  server = await openConsoleServer();
  await server.stop();
  fill(join(server.folder, "data/kilde.db"));
  await server.start();
});
afterAll(() => server?.close());

function fill(file: string): void {
  const database = new Database(file);
  const now = new Date().toISOString();
  const count = (most: number) =>
    `with recursive n (i) as (select 1 union all select i + 1 from n where i < ${most})`;
  database.run("begin");
  database.run(
    `${count(STREAMS)} insert into subjects (id, log, name) select i, 0, printf('user-%07d', i) from n`,
  );
  database.run(
    `${count(STREAMS)} insert into events (key, subject, version, type, recorded, data)
     select i, i, 1, 'UserRegistered', ?1, '{"name":"Ida"}' from n`,
    [now],
  );
  database.run("update logs set head = ?1, recorded = ?2 where id = 0", [STREAMS, now]);
  database.run(
    `${count(CONSUMERS)} insert into consumers (log, name, committed, sent, since, seen)
     select 0, printf('consumer-%05d', i), ?1 - i % 3, ?1, ?2, ?2 from n`,
    [STREAMS, now],
  );
  database.run("commit");
  database.close();
}

/** Opens a view with an empty cache. Returns the requests that it needs until it is usable, and reports the time. */
async function openCold(address: string, text: RegExp): Promise<Page> {
  const requests: Request[] = [];
  let start = 0;
  const page = await browser.open(`${server.url}/console${address}`, {
    onPage(opened) {
      opened.on("requestfinished", (request) => requests.push(request));
      start = performance.now();
    },
  });
  await page.getByText(text).first().waitFor();
  const tookMs = Math.round(performance.now() - start);
  const sizes = await Promise.all(requests.map((request) => request.sizes()));
  const bytes = sizes.reduce((sum, { responseBodySize }) => sum + responseBodySize, 0);
  console.log(`/console${address}: usable after ${tookMs} ms, ${requests.length} requests, ${bytes} bytes`);
  expect(requests.length).toBeLessThan(MOST_REQUESTS);
  expect(bytes).toBeLessThan(MOST_BYTES);
  return page;
}

function elements(page: Page): Promise<number> {
  return page.evaluate(() => document.querySelectorAll("*").length);
}

browserTest("the overview counts a million events and 10,000 consumers", async () => {
  const page = await openCold("", /1,000,000/);
  await page.getByText(/^10,000$/).waitFor();
  expect(await elements(page)).toBeLessThan(MOST_ELEMENTS);
});

browserTest("a list of a million streams shows a page of them, and finds any by its name", async () => {
  const page = await openCold("/streams", /user-0000001/);
  expect(await page.getByRole("row").count()).toBeLessThanOrEqual(101);
  await page.getByRole("link", { name: "Next streams" }).click();
  await page.getByRole("link", { name: "user-0000101" }).waitFor();
  await page.getByRole("searchbox").fill("user-09999");
  await page.getByRole("link", { name: "user-0999900" }).click();
  await page.getByRole("heading", { name: "UserRegistered" }).waitFor();
  expect(await elements(page)).toBeLessThan(MOST_ELEMENTS);
});

browserTest("a list of 10,000 consumers shows a page of them, and finds any by its name", async () => {
  const page = await openCold("/consumers?log=/events", /consumer-00001/);
  expect(await page.getByRole("row").count()).toBeLessThanOrEqual(101);
  expect(await elements(page)).toBeLessThan(MOST_ELEMENTS);
  await page.getByRole("searchbox").fill("consumer-0999");
  await page.getByRole("link", { name: "consumer-09999" }).click();
  await page.getByText("The numbers as a table").waitFor();
});
