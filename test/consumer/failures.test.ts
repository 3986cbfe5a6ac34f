import { afterEach, beforeEach, describe, expect, spyOn, test } from "bun:test";

import fc from "fast-check";

import {
  type Consumer,
  type ConsumerOptions,
  createConsumer,
  eventLog,
  type EventTypes,
  feed,
  HandlerError,
  memoryStore,
  type MemoryTransaction,
  NestedConsumerError,
  UnreportedFailuresError,
} from "../../src/consumer/index.ts";
import { runtimeClock } from "../../src/core/runtime-clock.ts";
import { eventually } from "../support/eventually.ts";
import { openApp, type TestApp } from "../support/app.ts";
import { libsqlEffects, memoryEffects, network, quickConsumer, URL } from "./support.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["memory", "sqld"]);

let app: TestApp;
let net: ReturnType<typeof network>;
const consumers: Consumer[] = [];
const disposals: (() => Promise<void>)[] = [];
beforeEach(async () => {
  app = await openApp();
  net = network(() => app);
});
afterEach(async () => {
  net.heal();
  for (const consumer of consumers.splice(0)) await consumer.stop();
  for (const dispose of disposals.splice(0)) await dispose();
  await app.close();
});

type Options = Partial<Omit<ConsumerOptions<EventTypes, MemoryTransaction>, "url">>;

/** A consumer of the event log, in memory. */
function start(options: Options): Consumer {
  const consumer = quickConsumer<EventTypes, MemoryTransaction>({
    feed: eventLog(),
    name: "cards",
    store: memoryStore(),
    handle: () => {},
    client: { fetch: net.fetch },
    ...options,
  });
  consumers.push(consumer);
  consumer.start();
  return consumer;
}

const fail = () => {
  throw new Error("the handler's own trouble");
};

describe("onError", () => {
  test("gets each failed attempt of a handler", async () => {
    await app.append("s-1", { type: "A" });
    const errors: unknown[] = [];
    const consumer = start({ handle: fail, onError: (error) => errors.push(error) });
    await eventually(() => errors.length >= 3);
    for (const error of errors) {
      expect(error).toBeInstanceOf(HandlerError);
      expect(error).toMatchObject({ subject: "s-1", version: 1, type: "A" });
    }
    expect(consumer.status().blocked).toHaveLength(1);
  });

  test("gets a bounded number of failures, and how many others there were", async () => {
    const subjects = 150;
    for (let number = 0; number < subjects; number += 1) await app.append(`s-${number}`, { type: "A" });
    let aheadMs = 0;
    const errors: unknown[] = [];
    const consumer = start({
      handle: fail,
      onError: (error) => errors.push(error),
      backoff: { delayMs: 60_000, maxDelayMs: 60_000 },
      clock: { ...runtimeClock, monotonic: () => performance.now() + aheadMs },
    });
    await eventually(() => consumer.status().blocked.length === subjects);
    expect(errors).toHaveLength(100);
    aheadMs = 11_000;
    await app.append("other", { type: "A" });
    await eventually(() => errors.length === 102);
    expect(errors[100]).toBeInstanceOf(UnreportedFailuresError);
    expect(errors[100]).toMatchObject({ count: 50 });
    expect(errors[101]).toMatchObject({ subject: "other" });
  });

  test("keeps the consumer from nothing when it throws", async () => {
    await app.append("s-1", { type: "A" });
    const printed: string[] = [];
    const spy = spyOn(console, "error").mockImplementation((text: string) => void printed.push(text));
    try {
      const handled: string[] = [];
      start({
        handle: ({ subject }) => (subject === "s-1" ? fail() : void handled.push(subject)),
        onError: () => {
          throw new Error("no log today");
        },
      });
      await eventually(() => printed.some((line) => line.includes("no log today")));
      await app.append("s-2", { type: "A" });
      await eventually(() => handled.length === 1);
      expect(printed.some((line) => line.includes("the handler's own trouble"))).toBe(true);
    } finally {
      spy.mockRestore();
    }
  });

  test("gets that the server is absent, and status() has it until the server answers", async () => {
    const errors: unknown[] = [];
    net.failWith(() => Promise.reject(new TypeError("connection refused")));
    const consumer = start({ onError: (error) => errors.push(error) });
    await eventually(() => errors.length >= 2 && consumer.status().error !== null);
    expect(consumer.status().error).toContain("connection refused");
    net.heal();
    await eventually(() => consumer.status().phase === "live" && consumer.status().error === null);
  });

  for (const transport of ["sse", "poll"] as const) {
    test(`${transport}: gets that the server went away while there was nothing new`, async () => {
      const errors: unknown[] = [];
      const closing = new AbortController();
      await app.close();
      app = await openApp({ closing: closing.signal });
      const consumer = start({ transport, onError: (error) => errors.push(error) });
      await eventually(() => consumer.status().phase === "live");
      net.failWith(() => Promise.reject(new TypeError("connection refused")));
      closing.abort();
      await eventually(() => errors.length >= 2 && consumer.status().error !== null);
      net.heal();
      await eventually(() => consumer.status().error === null);
    });
  }

  test("gets that there is no such feed", async () => {
    const errors: unknown[] = [];
    const consumer = start({ feed: feed("typo/v1"), onError: (error) => errors.push(error) });
    await eventually(() => errors.length >= 2);
    expect(errors[0]).toMatchObject({ code: "feed-not-found" });
    expect(consumer.status().error).toContain("/feeds/typo/v1");
  });
});

test("the server shows which consumers are blocked, and why, until they are not", async () => {
  await app.append("s-1", { type: "A" });
  await app.append("s-2", { type: "A" });
  let isBroken = true;
  start({ handle: ({ subject }) => (isBroken && subject === "s-1" ? fail() : undefined) });
  const shown = async () =>
    (await app.get<{ consumers: Record<string, unknown>[] }>("/events/consumers")).consumers[0];
  await eventually(async () => (await shown())?.["blocked"] === 1);
  expect(await shown()).toMatchObject({
    consumer: "cards",
    state: "blocked",
    committed: 2,
    failure: { subject: "s-1", version: 1, type: "A", message: expect.stringContaining("own trouble") },
  });
  isBroken = false;
  await eventually(async () => (await shown())?.["blocked"] === 0);
  expect(await shown()).toMatchObject({ state: "keeps-up", failure: null });
});

test("without onError, some failures are printed on standard error, with the consumer's name", async () => {
  for (let number = 0; number < 20; number += 1) await app.append(`s-${number}`, { type: "A" });
  const printed: string[] = [];
  const spy = spyOn(console, "error").mockImplementation((text: string) => void printed.push(text));
  try {
    const consumer = createConsumer({
      url: URL,
      feed: eventLog(),
      name: "quiet",
      store: memoryStore(),
      handle: fail,
      client: { fetch: net.fetch },
      backoff: { delayMs: 1, maxDelayMs: 2 },
    });
    consumers.push(consumer);
    consumer.start();
    await eventually(() => consumer.status().counts.failures > 40);
    expect(printed).toHaveLength(5);
    for (const line of printed)
      expect(line).toMatch(/^kilde: consumer "quiet": .*the handler's own trouble$/);
  } finally {
    spy.mockRestore();
  }
});

test("any value that a handler throws blocks only its subject, with a message", async () => {
  const thrown = fc.oneof(
    fc.anything({ withNullPrototype: true, withBigInt: true }),
    fc.constant(Object.create(null)),
    fc.constant({
      toString() {
        throw new Error("no text");
      },
    }),
    fc.constant(Symbol("s")),
    fc.constant(
      Object.defineProperty(new Error("x"), "message", {
        get() {
          throw new Error("no message");
        },
      }),
    ),
    fc.constant(new Error("\0\ud800")),
  );
  await app.append("bad", { type: "A" });
  await app.append("good", { type: "A" });
  await fc.assert(
    fc.asyncProperty(thrown, async (value) => {
      const store = memoryStore();
      const consumer = start({
        name: crypto.randomUUID(),
        store,
        handle(event, tx) {
          // oxlint-disable-next-line only-throw-error -- any value may be thrown
          if (event.subject === "bad") throw value;
          tx.set(event.subject, event.version);
        },
      });
      await eventually(() => store.values.has("good") && consumer.status().blocked.length === 1);
      const [blocked] = consumer.status().blocked;
      expect(blocked).toMatchObject({ subject: "bad", failure: { version: 1, type: "A" } });
      expect(blocked?.failure?.message).toContain("The handler failed at A");
      await consumer.stop();
    }),
    { numRuns: 30 },
  );
});

for (const [kind, makeEffects] of Object.entries({ memory: memoryEffects, libsql: () => libsqlEffects() })) {
  describe(`a handler of a consumer whose store is ${kind}`, () => {
    const uses: Record<string, (one: Consumer, other: Consumer) => Promise<unknown>> = {
      "ensure of another consumer": (_one, other) => other.ensure("s-2"),
      "ensure of its own consumer": (one) => one.ensure("s-2"),
      "ensure of its own subject as of now": (one) => one.ensure("s-1", { asOf: "now" }),
      "receive of another consumer": (_one, other) => other.receive([]),
      "reconstitute of another consumer": (_one, other) => other.reconstitute(),
      "stop of its own consumer": (one) => one.stop(),
    };
    for (const [use, call] of Object.entries(uses)) {
      test(`fails when it waits for ${use}, and its subject is blocked`, async () => {
        const effects = makeEffects();
        await effects.read();
        disposals.push(effects.dispose);
        await app.append("s-1", { type: "A" });
        await app.append("s-2", { type: "A" });
        const errors: unknown[] = [];
        const shared = { feed: eventLog(), store: effects.store as never, client: { fetch: net.fetch } };
        const other = quickConsumer({ ...shared, name: "users", handle: () => {} });
        const one = quickConsumer({
          ...shared,
          name: "cards",
          handle: async (event) => {
            if (event.subject === "s-1") await call(one, other);
          },
          onError: (error) => errors.push(error),
        });
        consumers.push(one, other);
        one.start();
        await eventually(() => errors.length > 0);
        expect(errors[0]).toBeInstanceOf(HandlerError);
        const { cause, message } = errors[0] as HandlerError;
        expect(cause).toBeInstanceOf(NestedConsumerError);
        expect(message).toContain("Do it outside of handlers");
        await eventually(() => one.status().position === 2);
        expect(one.status().blocked.map(({ subject }) => subject)).toEqual(["s-1"]);
      });
    }
  });
}

test("handlers of two consumers that wait for each other's store do not wait forever", async () => {
  const asked = Promise.withResolvers<void>();
  const refusals: unknown[] = [];
  let waiting = 0;
  const pair: Consumer[] = [];
  const make = (name: string, other: number) =>
    quickConsumer<EventTypes, MemoryTransaction>({
      feed: eventLog(),
      name,
      store: memoryStore(),
      client: { fetch: net.fetch },
      async handle({ subject }) {
        waiting += 1;
        if (waiting > 2) return;
        if (waiting === 2) asked.resolve();
        await asked.promise;
        await pair[other]?.ensure(subject).catch((error: unknown) => {
          refusals.push(error);
          throw error;
        });
      },
    });
  pair.push(make("cards", 1), make("users", 0));
  consumers.push(...pair);
  await app.append("s-1", { type: "A" });
  for (const each of pair) each.start();
  await eventually(() => pair.every((each) => each.status().counts.handled === 1));
  expect(refusals).toEqual([expect.any(NestedConsumerError)]);
});

test("a handler may use a consumer with another store, whose work may end after the handler", async () => {
  await app.append("s-1", { type: "A" });
  const other = quickConsumer<EventTypes, MemoryTransaction>({
    feed: eventLog(),
    name: "users",
    store: memoryStore(),
    handle: () => {},
    client: { fetch: net.fetch },
  });
  consumers.push(other);
  let later: Promise<unknown> = Promise.resolve();
  const ensured: unknown[] = [];
  const consumer: Consumer = start({
    async handle(event) {
      ensured.push(await other.ensure(event.subject));
      later = Bun.sleep(50).then(() => consumer.ensure("s-1"));
    },
  });
  await eventually(() => consumer.status().position === 1);
  expect(ensured).toEqual([{ subject: "s-1", version: 1 }]);
  expect(await later).toEqual({ subject: "s-1", version: 1 });
});
