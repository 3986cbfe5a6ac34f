import { expect, test } from "bun:test";

import { z } from "zod";

import { compileFeed } from "../../../src/feeds/define/compile.ts";
import type { SourceEvent } from "../../../src/feeds/define/define.ts";
import { ProjectionError } from "../../../src/feeds/feed.ts";
import { sourceEvent } from "../declarations.ts";

type Handler = (event: SourceEvent<"In", { list: number[] }>, state: { seen: number[] }) => unknown;

function run(publish: Handler, strict = true): string {
  const feed = compileFeed(
    {
      name: "impure",
      version: 1,
      events: { In: z.object({ list: z.array(z.number()) }) },
      contract: { Out: z.unknown() },
      state: { initial: { seen: [] }, evolve: {} },
      publish: { In: (event: never, state: never) => ({ type: "Out", data: publish(event, state) ?? null }) },
    },
    { strict },
  );
  try {
    return feed.project("s", sourceEvent("In", { list: [1] }), '{"seen":[]}').events[0]?.data ?? "";
  } catch (error) {
    if (error instanceof ProjectionError) return error.message;
    throw error;
  }
}

const surroundings = () => [
  Date,
  Date.now,
  Math.random,
  performance.now,
  crypto.randomUUID,
  crypto.getRandomValues,
  fetch,
  setTimeout,
  setInterval,
  queueMicrotask,
  Object.getOwnPropertyNames(crypto),
  Object.getOwnPropertyNames(performance),
];

test.each<[string, Handler, RegExp]>([
  ["Date.now", () => Date.now(), /used Date\.now: use `event\.time`/],
  ["new Date()", () => new Date(), /used new Date\(\) without arguments: use `event\.time`/],
  // oxlint-disable-next-line unicorn/new-for-builtins -- the call without `new` reads the clock, too
  ["Date()", () => Date(), /used Date\(\)/],
  ["Math.random", () => Math.random(), /used Math\.random: derive it from the event/],
  ["randomUUID", () => crypto.randomUUID(), /used crypto\.randomUUID/],
  ["getRandomValues", () => crypto.getRandomValues(new Uint8Array(1)), /used crypto\.getRandomValues/],
  ["performance.now", () => performance.now(), /used performance\.now/],
  ["fetch", () => void fetch("http://127.0.0.1:1"), /used fetch: a projection sees its events alone/],
  ["setTimeout", () => void setTimeout(() => {}, 0), /used setTimeout/],
  ["queueMicrotask", () => queueMicrotask(() => {}), /used queueMicrotask/],
  [
    "a clock whose refusal is caught",
    () => {
      try {
        return Date.now();
      } catch {
        return 0;
      }
    },
    /used Date\.now/,
  ],
  ["a changed event", (event) => event.data.list.push(2), /changed the event or the state/],
  ["an event's new member", (event) => Object.assign(event, { more: 1 }), /changed the event or the state/],
  ["a changed state", (_event, state) => state.seen.push(1), /changed the event or the state/],
  [
    "a changed extension",
    (event) => Object.assign(event.extensions, { a: 1 }),
    /changed the event or the state/,
  ],
])("%s is refused", (_name, handler, message) => {
  const before = surroundings();
  expect(run(handler)).toMatch(message);
  expect(surroundings()).toEqual(before);
});

test("a promise is refused in both modes, and its rejection is ignored", async () => {
  for (const strict of [true, false]) {
    const feed = compileFeed(
      {
        name: "impure",
        version: 1,
        events: { In: z.any() },
        contract: { Out: z.any() },
        publish: { In: () => Promise.reject(new Error("late")) },
      },
      { strict },
    );
    expect(() => feed.project("s", sourceEvent("In", 1), null)).toThrow(/is asynchronous/);
  }
  await Bun.sleep(1);
});

test("a TypeError of another kind is not called a mutation", () => {
  expect(run(() => Reflect.get(Object(undefined), "a").b)).not.toContain("changed");
});

test("dates may be made of texts, and are dates", () => {
  const isDate = run((event) => {
    const made = new Date(event.time);
    return [made instanceof Date, made.toISOString(), Date.UTC(2026, 0), Date.parse(event.time)];
  });
  expect(JSON.parse(isDate)).toEqual([
    true,
    "2026-01-01T00:00:01.000Z",
    Date.UTC(2026, 0),
    Date.UTC(2026, 0) + 1_000,
  ]);
});

test("nothing is watched when not strict", () => {
  expect(Number(run(() => Date.now(), false))).toBeGreaterThan(0);
  expect(run((event) => event.data.list.push(2), false)).toBe("2");
});

test("a handler that throws leaves everything in place", () => {
  const before = surroundings();
  const message = run(() => {
    throw new Error("its own error");
  });
  expect(message).toContain("threw: its own error");
  expect(surroundings()).toEqual(before);
});
