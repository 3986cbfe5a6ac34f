import { afterEach, beforeEach, expect, test } from "bun:test";

import { createClient, KildeError } from "../../src/client/index.ts";
import type { Database } from "../../src/storage/database.ts";
import { openApp, type TestApp } from "../support/app.ts";
import { sketch } from "../support/feeds.ts";
import { newDatabase } from "../support/new-database.ts";
import { openProjection } from "../support/projection.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["file", "sqld"]);

const URL = "http://kilde.test";
const FEED = sketch({ name: "orders", version: 2 });

let database: Database;
let app: TestApp;
beforeEach(async () => {
  database = await newDatabase();
  app = await openApp({ database, feeds: [FEED] });
  await app.append("s-1", { type: "A", data: 1 }, { type: "B", data: 2 });
  await app.append("s-2", { type: "A", data: 3 });
  await (await openProjection({ database, writer: app.store.writer }, [FEED])).drain();
});
afterEach(() => app.close());

const client = (consumer?: string) =>
  createClient({
    url: URL,
    ...(consumer === undefined ? {} : { consumer }),
    fetch: (url, init) => app.fetch(url.slice(URL.length), init),
  });

test("a feed, and a subject of it, is read and followed like the event log", async () => {
  const kilde = client();
  const read = await Array.fromAsync(kilde.read({ feed: "orders/v2", pageSize: 2 }));
  expect(read.map(({ type, data }) => [type, data])).toEqual([
    ["PublicA", 1],
    ["PublicB", 2],
    ["PublicA", 3],
  ]);
  const subject = await Array.fromAsync(kilde.read({ feed: "orders/v2", subject: "s-2" }));
  expect(subject.map(({ version, data }) => [version, data])).toEqual([[1, 3]]);
  for await (const event of kilde.follow({ feed: "orders/v2", lastEventId: 2 })) {
    expect(event.data).toBe(3);
    break;
  }
  expect(await kilde.head("orders/v2")).toBe(3);
  await expect(kilde.head("orders/v9")).rejects.toMatchObject({ code: "feed-not-found" });
});

test("a source that no log has is rejected before a request", async () => {
  const kilde = client();
  for (const source of [{ stream: "s", feed: "orders/v2" as const }, { subject: "s" }]) {
    await expect(Array.fromAsync(kilde.read(source))).rejects.toThrow(TypeError);
  }
  expect(() => kilde.head("orders" as "orders/v1")).toThrow("declarations/v2");
});

test("a named client is a consumer, and commits its position", async () => {
  const kilde = client("cards & co");
  await Array.fromAsync(kilde.read({ feed: "orders/v2" }));
  expect(await kilde.commit(2, { feed: "orders/v2" })).toMatchObject({ committed: 2, lag: { events: 1 } });
  expect(await Array.fromAsync(kilde.consumers("orders/v2"))).toMatchObject([
    { consumer: "cards & co", committed: 2, sent: 3, active: true },
  ]);
  expect(await Array.fromAsync(kilde.consumers())).toEqual([]);
  const back = kilde.commit(1, { feed: "orders/v2" });
  await expect(back).rejects.toThrow(KildeError);
  expect(await kilde.commit(1, { feed: "orders/v2", rewind: true })).toMatchObject({ committed: 1 });
  expect(() => client().commit(1)).toThrow(TypeError);
});

test("subjects are listed a page at a time, from any on, or those that changed", async () => {
  const kilde = client();
  const names = async (options: Parameters<typeof kilde.subjectPages>[0]) =>
    (await Array.fromAsync(kilde.subjectPages(options))).map((page) => page.map(({ subject }) => subject));
  const feed = "orders/v2";
  expect(await names({ feed, pageSize: 1 })).toEqual([["s-1"], ["s-2"]]);
  expect(await names({ feed, after: "s-1" })).toEqual([["s-2"]]);
  expect(await names({ feed, changedSince: 2 })).toEqual([["s-2"]]);
  expect(await names({ pageSize: 5 })).toEqual([["s-1", "s-2"]]);
});

test("events of a feed have the position of their source", async () => {
  const events = await Array.fromAsync(client().read({ feed: "orders/v2" }));
  expect(events.map(({ projectedFrom }) => projectedFrom)).toEqual([1, 2, 3]);
  const own = await Array.fromAsync(client().read({ limit: 1 }));
  expect(own[0]?.projectedFrom).toBeUndefined();
});

test("a page may wait for an event", async () => {
  const waiting = Array.fromAsync(client().read({ lastEventId: 3, timeout: 5_000 }));
  await app.append("s-3", { type: "A", data: 4 });
  expect((await waiting).map(({ data }) => data)).toEqual([4]);
});
