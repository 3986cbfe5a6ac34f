import { afterAll, beforeAll, expect, test } from "bun:test";

import { createClient } from "../../../src/client/client.ts";
import { readCausation } from "../../../src/console/causation/causation-reads.ts";
import { openApp, type TestApp } from "../../support/app.ts";

let app: TestApp;
beforeAll(async () => {
  app = await openApp();
});
afterAll(() => app.close());

function clientOfApp() {
  return createClient({
    url: "http://kilde.test",
    fetch: (url, init) => app.fetch(url.slice("http://kilde.test".length), init),
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

test("causation: an event that does not exist has none", async () => {
  expect(await readCausation(clientOfApp(), 1_000, signal)).toBeNull();
});
