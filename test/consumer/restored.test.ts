import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import { createClient, type KildeEvent } from "../../src/client/index.ts";
import {
  type Consumer,
  type ConsumerOptions,
  eventLog,
  type EventTypes,
  LogRestoredError,
  type MemoryTransaction,
} from "../../src/consumer/index.ts";
import { eventually } from "../support/eventually.ts";
import { openRestorableApp, type RestorableApp } from "../support/restorable-app.ts";
import { runsOn, testInProcess } from "../support/tested-on.ts";
import { memoryEffects, network, quickConsumer, URL } from "./support.ts";

runsOn(["memory", "sqld"]);

let server: RestorableApp;
let net: ReturnType<typeof network>;
let effects: ReturnType<typeof memoryEffects>;
let consumer: Consumer;
let errors: unknown[];
beforeEach(async () => {
  server = await openRestorableApp();
  net = network(() => server);
  effects = memoryEffects();
  errors = [];
});
afterEach(async () => {
  await consumer.stop();
  await effects.dispose();
  await server.close();
});

type Options = Partial<ConsumerOptions<EventTypes, MemoryTransaction>>;

function optionsOf(options: Options) {
  return {
    feed: eventLog(),
    name: "cards",
    store: effects.store,
    async handle({ subject, version, data }, tx) {
      await effects.record(tx, subject, `${version} ${String(data)}`);
    },
    reset: (subject, tx) => tx.delete(subject),
    onError: (error) => errors.push(error),
    client: { fetch: net.fetch },
    ...options,
  } satisfies Options;
}

const make = (options: Options = {}): Consumer => quickConsumer(optionsOf(options));

const append = (stream: string, ...texts: string[]) =>
  server.app.append(stream, ...texts.map((data) => ({ type: "A", data })));

/** The events of each stream in the log, as the consumer records them. */
async function logged(): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  for await (const event of createClient({ url: URL, fetch: net.fetch }).read()) {
    (found[event.subject] ??= []).push(`${event.version} ${String(event.data)}`);
  }
  return found;
}

const agrees = async () => Bun.deepEquals(await effects.read(), await logged());

/** Two streams that a restore takes events from, one that it leaves, and one that only the lost history has. */
async function restoreBehind(): Promise<void> {
  await append("kept", "1");
  await append("shorter", "1");
  await append("other", "1");
  await server.backup("backup");
  await append("shorter", "2 lost");
  await append("other", "2 lost");
  await append("gone", "1 lost");
}

describe.each(["sse", "poll"] as const)("a consumer by %s", (transport) => {
  testInProcess("is rolled back to the last common position, and handles the current log", async () => {
    await restoreBehind();
    consumer = make({ transport });
    consumer.start();
    await eventually(agrees);
    await server.restore("backup");
    await append("other", "2 new", "3 new");
    await append("late", "1", "2", "3");
    await eventually(agrees);
    expect(consumer.status()).toMatchObject({ phase: "live", blocked: [], counts: { resets: 3 } });
  });

  testInProcess("notices a restore after which nothing is appended", async () => {
    await restoreBehind();
    consumer = make({ transport });
    consumer.start();
    await eventually(agrees);
    await server.restore("backup");
    await eventually(agrees);
    expect(await effects.read()).toEqual({ kept: ["1 1"], shorter: ["1 1"], other: ["1 1"] });
  });

  testInProcess("halts without `reset`, reports the cause once, and handles nothing more", async () => {
    await restoreBehind();
    const { reset: _, ...rest } = { reset: undefined, transport };
    consumer = quickConsumer<EventTypes, MemoryTransaction>({
      ...rest,
      feed: eventLog(),
      name: "cards",
      store: effects.store,
      handle: ({ subject, version, data }, tx) => effects.record(tx, subject, `${version} ${String(data)}`),
      onError: (error) => errors.push(error),
      client: { fetch: net.fetch },
    });
    consumer.start();
    await eventually(agrees);
    const before = await effects.read();
    await server.restore("backup");
    await append("other", "2 new");
    await eventually(() => consumer.status().phase === "halted");
    expect(consumer.status().error).toMatch(/was restored.*reset/);
    expect(errors.filter((error) => error instanceof LogRestoredError)).toHaveLength(1);
    expect(await effects.read()).toEqual(before);
    expect(consumer.ensure("late")).rejects.toBeInstanceOf(LogRestoredError);
  });
});

testInProcess(
  "servers that disagree about the history of a log are reported, and asked again after a wait",
  async () => {
    await append("a", "1");
    consumer = make({ transport: "poll", backoff: { delayMs: 200, maxDelayMs: 200 } });
    consumer.start();
    await eventually(() => consumer.status().phase === "live");
    await eventually(agrees);
    const before = net.requests.length;
    net.failWith((path) =>
      path.includes("timeout=")
        ? Response.json(
            {
              type: "https://kilde.dev/problems/log-restored",
              title: "x",
              status: 409,
              detail: "x",
              log: "0".repeat(16),
              parted: 0,
              head: 0,
            },
            { status: 409, headers: { "content-type": "application/problem+json" } },
          )
        : undefined,
    );
    await append("a", "2");
    await eventually(() => errors.length > 1);
    expect(consumer.status().error).not.toBeNull();
    expect(net.requests.length - before).toBeLessThan(100);
    net.heal();
    await eventually(agrees);
  },
);

describe("events for receive", () => {
  const readAll = (): Promise<KildeEvent[]> =>
    Array.fromAsync(createClient({ url: URL, fetch: net.fetch }).read());

  testInProcess(
    "roll the consumer back when they are of the new history, and are dropped when they are late ones of the old",
    async () => {
      await restoreBehind();
      consumer = make({ transport: "push" });
      const old = await readAll();
      await consumer.receive(old);
      await server.restore("backup");
      await append("other", "2 new");
      await consumer.receive((await readAll()).slice(-1));
      await consumer.receive(old);
      expect(await effects.read()).toEqual(await logged());
    },
  );
});

describe("reconstitution", () => {
  testInProcess(
    "resets the subjects that the log no longer has, including those that only the consumer has",
    async () => {
      await restoreBehind();
      consumer = make({ transport: "push" });
      await consumer.reconstitute();
      expect(await agrees()).toBe(true);
      // As `cp` does it: positions mean other events, and the identity is the same.
      await server.restore("backup", { renewed: false });
      await append("late", "1");
      await append("shorter", "2 new");
      await append("other", "2 new");
      const found = await consumer.reconstitute({ all: true });
      expect(await effects.read()).toEqual(await logged());
      expect([...found.ahead].sort()).toEqual(["gone", "other", "shorter"]);
    },
  );

  testInProcess("resets the subjects of a log that ends before their events", async () => {
    await restoreBehind();
    consumer = make({ transport: "push" });
    await consumer.reconstitute();
    await server.restore("backup", { renewed: false });
    await consumer.reconstitute({ all: true });
    expect(await effects.read()).toEqual(await logged());
  });

  testInProcess("halts the consumer without `reset`, which its status shows at once", async () => {
    await restoreBehind();
    const { reset: _, ...rest } = optionsOf({ transport: "push" });
    consumer = quickConsumer(rest);
    await consumer.reconstitute();
    await server.restore("backup", { renewed: false });
    await append("late", "1", "2", "3");
    const found = await consumer.reconstitute({ all: true }).catch((error: unknown) => error);
    expect(found).toBeInstanceOf(LogRestoredError);
    expect(consumer.status()).toMatchObject({
      phase: "halted",
      error: expect.stringContaining("was restored"),
    });
  });

  testInProcess("heals everything at once after a restore", async () => {
    await restoreBehind();
    consumer = make({ transport: "push" });
    await consumer.reconstitute();
    await server.restore("backup");
    await append("late", "1");
    await consumer.reconstitute();
    expect(await effects.read()).toEqual(await logged());
  });
});

test("the store keeps the identity of the handled events", async () => {
  await append("a", "1");
  consumer = make();
  consumer.start();
  await eventually(agrees);
  const [cursor] = await effects.store.readSubjects("cards events", ["a"]);
  expect(cursor?.identity).toMatch(/^[0-9a-f]{16}$/);
  await eventually(async () => (await effects.store.readFeed("cards events"))?.identity === cursor?.identity);
});
