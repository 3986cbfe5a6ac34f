import { afterEach, beforeEach, expect, test } from "bun:test";

import { createClient, KildeError } from "../../src/client/index.ts";
import type { Database } from "../../src/log/database.ts";
import { openDatabase } from "../../src/log/open.ts";
import { openApp, type TestApp } from "../support/app.ts";
import { sketch } from "../support/feeds.ts";
import { openProjection } from "../support/projection.ts";

const URL = "http://kilde.test";
const FEED = sketch({ name: "orders", version: 2 });

let database: Database;
let app: TestApp;
beforeEach(async () => {
  database = openDatabase({ url: ":memory:" });
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

test("a feed, and a subject of it, is read and followed as the event log is", async () => {
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
});

test("what is in no log is refused before anything is sent", async () => {
  const kilde = client();
  for (const source of [{ stream: "s", feed: "orders/v2" as const }, { subject: "s" }]) {
    await expect(Array.fromAsync(kilde.read(source))).rejects.toThrow(TypeError);
  }
  expect(() => kilde.head("orders" as "orders/v1")).toThrow("declarations/v2");
});

test("a client that names itself is a consumer, and commits what it has dealt with", async () => {
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
