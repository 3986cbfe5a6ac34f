import { afterAll, beforeAll, expect, test } from "bun:test";

import { createClient } from "../../../src/client/client.ts";
import { causationTrees } from "../../../src/console/causation/causation.ts";
import { readCausation } from "../../../src/console/causation/causation-reads.ts";
import { openApp, type TestApp } from "../../support/app.ts";
import { eventually } from "../../support/eventually.ts";
import { newDatabase } from "../../support/new-database.ts";

let app: TestApp;
let indexing: TestApp;
beforeAll(async () => {
  app = await openApp();
  indexing = await openApp({ database: await newDatabase(), correlations: true });
});
afterAll(async () => {
  await app.close();
  await indexing.close();
});

function clientOfApp(store = app) {
  return createClient({
    url: "http://kilde.test",
    fetch: (url, init) => store.fetch(url.slice("http://kilde.test".length), init),
  });
}

const { signal } = new AbortController();

test("causation: without an index it has the causes in other streams, and the events of its own stream", async () => {
  const client = clientOfApp();
  const correlationId = "signup-1";
  const order = await client.append("order-1", { type: "OrderPlaced", metadata: { correlationId } });
  const causationId = String(order.position);
  const { position } = await client.append("user-1", {
    type: "Billed",
    metadata: { correlationId, causationId },
  });
  await client.append("user-1", [
    { type: "Paid", metadata: { causationId: String(position) } },
    { type: "Moved" },
    { type: "Thanked", metadata: { correlationId } },
  ]);
  const found = await readCausation(client, position, signal);
  expect(found?.event.type).toBe("Billed");
  expect(found?.events.map(({ type }) => type).toSorted()).toEqual([
    "Billed",
    "OrderPlaced",
    "Paid",
    "Thanked",
  ]);
});

test("causation: an index adds the effects in other streams, with how far it is", async () => {
  const client = clientOfApp(indexing);
  const metadata = { correlationId: "signup-1" };
  const { position } = await client.append("user-1", { type: "Registered", metadata });
  const causationId = String(position);
  for (let count = 0; count < 250; count += 1)
    await client.append(`card-${count}`, { type: "CardSent", metadata: { ...metadata, causationId } });
  await client.append("user-1", { type: "Moved" });
  await eventually(async () => (await client.correlated("signup-1")).indexed === 252);
  const found = await readCausation(client, position, signal);
  expect(found?.index).toEqual({ indexed: 252, head: 252 });
  expect([found?.events.length, found?.isCut]).toEqual([251, false]);
  expect(found === null ? [] : causationTrees(found.events).map(({ effects }) => effects.length)).toEqual([
    250,
  ]);
});

test("causation: an event that does not exist has none", async () => {
  expect(await readCausation(clientOfApp(), 1_000, signal)).toBeNull();
});
