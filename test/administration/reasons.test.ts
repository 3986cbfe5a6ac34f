import { afterEach, beforeEach, expect, test } from "bun:test";
import fc from "fast-check";

import { ENTRY_TYPES, type EntryType } from "../../src/administration/catalog.ts";
import { createClient, type Client } from "../../src/client/index.ts";
import { toHeaderText } from "../../src/core/header-text.ts";
import type { Feed } from "../../src/feeds/feed.ts";
import { OPERATIONS } from "../../src/http/operations.ts";
import type { Database } from "../../src/storage/database.ts";
import { openApp, type TestApp } from "../support/app.ts";
import { copied, counted, sketch } from "../support/feeds.ts";
import { newDatabase } from "../support/new-database.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["memory", "sqld"]);

const ORDERS = sketch({ name: "orders", project: copied });
const DRAFT: Feed = { ...sketch({ name: "drafts", project: counted }), draft: true };

let database: Database;
let app: TestApp;
let client: Client;
beforeEach(async () => {
  database = await newDatabase();
  app = await openApp({ database, feeds: [ORDERS, DRAFT] });
  const fetch = async (url: string, init: RequestInit) =>
    app.fetch(new URL(url).pathname + new URL(url).search, init);
  client = createClient({ url: "http://kilde.test", fetch });
});
afterEach(() => app.close());

/** The entries after a position, each valid by the catalog. */
async function entriesAfter(position: number) {
  const entries = await app.get(`/operations?lastEventId=${position}`);
  for (const { type, data } of entries)
    expect(ENTRY_TYPES[type as EntryType].data.safeParse(data).error).toBeUndefined();
  return entries;
}

const reason = "Anfrage Nr. 7, über Søren → “sofort”";

test("each method of the client that changes something records its reason", async () => {
  await client.append("s", [{ type: "A" }, { type: "A" }, { type: "A" }]);
  const url = "http://127.0.0.1:9/hook";
  const { subscription: id } = await client.subscriptions.create({ source: "/events", url }, { reason });
  await client.subscriptions.change(id, { concurrency: 3 }, { reason });
  await client.subscriptions.rotateSecret(id, { reason });
  await client.subscriptions.pause(id, reason);
  await client.subscriptions.resume(id, { reason });
  await client.subscriptions.rewind(id, { subjects: ["s"], reason });
  await client.subscriptions.remove(id, { reason });
  await client.commit(3, { consumer: "cards", reason });
  await client.commit(1, { consumer: "cards", rewind: true, reason });
  await client.forgetConsumer("cards", undefined, { reason });
  await client.feeds.rebuild("drafts/v1", { reason });
  await client.feeds.retire("orders/v1", { force: true, reason });
  await client.truncate("s", 2, { reason });
  await client.erase("s", reason);
  const entries = (await entriesAfter(0)).filter(({ type }) => !/\.(down|blocked|live)$/.test(type));
  expect(new Set(entries.map(({ type }) => type))).toEqual(
    new Set([
      "kilde.subscription.created",
      "kilde.subscription.changed",
      "kilde.subscription.paused",
      "kilde.subscription.resumed",
      "kilde.subscription.rewound",
      "kilde.subscription.removed",
      "kilde.consumer.rewound",
      "kilde.consumer.forgotten",
      "kilde.feed.rebuilt",
      "kilde.feed.retired",
      "kilde.stream.truncated",
      "kilde.stream.erased",
    ]),
  );
  for (const { type, data } of entries) expect({ type, data }).toMatchObject({ type, data: { reason } });
});

test("a reason of any text within the limit is recorded as it is, and a longer one is refused", async () => {
  await client.append("s", [{ type: "A" }]);
  await client.commit(1, { consumer: "cards" });
  let recorded = 0;
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "grapheme", maxLength: 250 }), async (text) => {
      await client.commit(0, { consumer: "cards", rewind: true, reason: text });
      const [entry] = await entriesAfter(recorded);
      recorded += 1;
      expect(entry?.data).toEqual({
        principal: null,
        from: 1,
        to: 0,
        ...(text === "" ? {} : { reason: text }),
      });
      await client.commit(1, { consumer: "cards" });
    }),
    { numRuns: 50 },
  );
  const commit = (value: string) =>
    app.fetch("/events/consumers/cards", {
      method: "PUT",
      headers: { "content-type": "application/json", "kilde-reason": value },
      body: JSON.stringify({ position: 0, rewind: true }),
    });
  for (const value of ["x".repeat(501), '%"%ff"', '%"a%00b"', toHeaderText("ü".repeat(501))]) {
    const refused = await commit(value);
    expect(refused.status).toBe(400);
    expect(await refused.json()).toMatchObject({ errors: [{ parameter: "Kilde-Reason" }] });
  }
  expect(await entriesAfter(recorded)).toEqual([]);
  expect((await commit(toHeaderText("ü".repeat(500)))).status).toBe(200);
});

test("the description of each operation that is recorded has the header, and that of no read", async () => {
  const { paths } = await app.get<{
    paths: Record<string, Record<string, { parameters?: { name: string }[] }>>;
  }>("/openapi.json");
  const having = Object.values(paths)
    .flatMap((methods) => Object.values(methods))
    .filter(({ parameters = [] }) => parameters.some(({ name }) => name === "kilde-reason"));
  expect(having).toHaveLength(OPERATIONS.filter(({ isRecorded }) => isRecorded).length);
  expect(OPERATIONS.filter(({ isRecorded, method }) => isRecorded && method === "get")).toEqual([]);
});
