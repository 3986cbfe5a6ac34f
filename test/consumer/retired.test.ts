import { afterEach, beforeEach, expect, test } from "bun:test";

import {
  type Consumer,
  eventLog,
  type EventTypes,
  feed,
  FeedRetiredError,
  memoryStore,
  type MemoryTransaction,
  type Transport,
} from "../../src/consumer/index.ts";
import { createClient } from "../../src/client/index.ts";
import { eventually } from "../support/eventually.ts";
import { openApp, type TestApp } from "../support/app.ts";
import { sketch } from "../support/feeds.ts";
import { network, quickConsumer, URL } from "./support.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["memory", "sqld"]);

let app: TestApp;
let net: ReturnType<typeof network>;
let consumer: Consumer | null = null;
beforeEach(async () => {
  app = await openApp({ feeds: [sketch({ name: "orders" })] });
  net = network(() => app);
});
afterEach(async () => {
  await consumer?.stop();
  await app.close();
});

const retire = () => app.feeds.retire(app.feeds.all[0] ?? expect.unreachable(), { force: true });

function start(transport: Transport, errors: unknown[]): Consumer {
  consumer = quickConsumer<EventTypes, MemoryTransaction>({
    feed: feed("orders/v1"),
    name: "cards",
    store: memoryStore(),
    handle: () => {},
    transport,
    onError: (error) => errors.push(error),
    client: { fetch: net.fetch },
  });
  consumer.start();
  return consumer;
}

for (const transport of ["sse", "poll", "push"] as const) {
  test(`${transport}: a consumer of a version that is retired halts, and requests nothing more`, async () => {
    const errors: unknown[] = [];
    const { status } = start(transport, errors);
    await eventually(() => status().phase === "live");
    await retire();
    // Its position is reported once a minute where it does not change.
    if (transport === "push") await consumer?.reconstitute().catch(() => {});
    await eventually(() => status().phase === "halted");
    expect(errors).toMatchObject([{ name: "FeedRetiredError", feed: "orders/v1" }]);
    expect(errors[0]).toBeInstanceOf(FeedRetiredError);
    expect(status().error).toContain("orders/v1 was retired");
    const requested = net.requests.length;
    await Bun.sleep(100);
    await consumer?.stop();
    expect(net.requests).toHaveLength(requested);
    expect(errors).toHaveLength(1);
    expect(status().phase).toBe("halted");
  });
}

test("a consumer of a version that was retired before halts at once, even with blocked subjects", async () => {
  await retire();
  const errors: unknown[] = [];
  const { status } = start("sse", errors);
  await eventually(() => status().phase === "halted");
  expect(errors).toHaveLength(1);
});

test("a consumer of the event log does not halt for a feed that was retired", async () => {
  await retire();
  const client = createClient({ url: URL, fetch: net.fetch });
  const handled: string[] = [];
  consumer = quickConsumer<EventTypes, MemoryTransaction>({
    feed: eventLog(),
    name: "cards",
    store: memoryStore(),
    handle: ({ subject }) => void handled.push(subject),
    client: { fetch: net.fetch },
  });
  consumer.start();
  await client.append("s-1", { type: "A" });
  await eventually(() => handled.length === 1);
  expect(consumer.status().phase).not.toBe("halted");
});
