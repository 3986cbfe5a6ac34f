import { expect, test } from "bun:test";
import { z } from "zod";

import { defineFeed } from "../../src/index.ts";
import { type ConsumerEvent, createConsumer, feed, memoryStore } from "../../src/consumer/index.ts";

const declarations = defineFeed({
  name: "declarations",
  version: 2,
  events: { Handled: z.object({ amount: z.number() }) },
  contract: {
    Submitted: z.object({ cents: z.int() }),
    Paid: z.object({ cents: z.int(), by: z.string().nullable() }),
  },
  publish: { Handled: ({ data }) => ({ type: "Paid", data: { cents: data.amount, by: null } }) },
});

/** Compiles only when both types are the same. */
function same<A, B>(_value: [A, B] extends [B, A] ? true : false): void {}

test("a handler knows the types of the contract, and the tombstone", () => {
  const reference = feed(declarations);
  expect(reference).toEqual({ log: "declarations/v2" });
  const consumer = createConsumer({
    url: "http://kilde.test",
    feed: reference,
    name: "types",
    store: memoryStore(),
    handle(event, tx) {
      same<typeof event.type, "Submitted" | "Paid" | "kilde.erased">(true);
      if (event.type === "Paid") same<typeof event.data, { cents: number; by: string | null }>(true);
      if (event.erased) same<typeof event.data, undefined>(true);
      // @ts-expect-error: no such type
      if (event.type === "Refused") tx.set("never", true);
      tx.set(event.subject, event.version);
    },
  });
  expect(consumer.status()).toMatchObject({ phase: "idle", position: null });
});

test("a feed is named with the types that were generated", () => {
  interface Generated {
    Paid: { cents: number };
  }
  const reference = feed<{ [Type in keyof Generated]: Generated[Type] }>("declarations/v2");
  type Event = ConsumerEvent<NonNullable<(typeof reference)["types"]>>;
  same<Extract<Event, { type: "Paid" }>["data"], { cents: number }>(true);
  expect(reference).toEqual({ log: "declarations/v2" });
});
