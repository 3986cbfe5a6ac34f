import { afterEach, expect, test } from "bun:test";

import { createClient } from "../../src/client/index.ts";
import { openApp, type TestApp } from "../support/app.ts";
import { createCachingProxy } from "../support/caching-proxy.ts";

/*
 * Readers behind an HTTP cache that keeps all that it may.
 */

const opened: TestApp[] = [];
afterEach(async () => {
  for (const app of opened.splice(0)) await app.close();
});

async function open() {
  const app = await openApp();
  opened.push(app);
  const origin = (url: string, init: RequestInit) => {
    const { pathname, search } = new URL(url);
    return app.fetch(pathname + search, init);
  };
  const proxy = createCachingProxy(origin);
  const fetch = (url: string, init?: RequestInit) => proxy.fetch(url, init);
  return { app, proxy, client: createClient({ url: "http://kilde.test", fetch }) };
}

async function positions(events: AsyncIterable<{ readonly position: number }>): Promise<number[]> {
  const found: number[] = [];
  for await (const { position } of events) found.push(position);
  return found;
}

const upTo = (last: number) => Array.from({ length: last }, (_, n) => n + 1);

test("a page that was full exactly at the end does not end a log that has grown", async () => {
  const { client, app } = await open();
  let held = 0;
  for (const more of [10, 5, 5, 1, 10, 0]) {
    const events = Array.from({ length: more }, (_, n) => ({ type: "A", data: n }));
    if (more > 0) await app.append("x", ...events);
    held += more;
    expect(await positions(client.read({ pageSize: 10 }))).toEqual(upTo(held));
    expect(await positions(client.read({ stream: "x", pageSize: 10 }))).toEqual(upTo(held));
    expect(await positions(client.read({ types: ["A"], pageSize: 10 }))).toEqual(upTo(held));
    const backwards = await positions(client.read({ direction: "backwards", pageSize: 10 }));
    expect(backwards.toReversed()).toEqual(upTo(held));
  }
});

test("a reader asks for no empty page where the answer says that nothing follows", async () => {
  const { client, proxy, app } = await open();
  await app.append("x", { type: "A" }, { type: "A" });
  proxy.counts.passed = 0;
  expect(await positions(client.read({ stream: "x" }))).toEqual([1, 2]);
  expect(proxy.counts.passed).toBe(1);
});
