import { afterAll, beforeAll, expect, test } from "bun:test";

import { createTimeline } from "../../../src/console/streams/timeline.ts";
import { DEFAULT_LIMITS } from "../../../src/core/limits.ts";
import { createClient } from "../../../src/client/client.ts";
import { openApp, type TestApp } from "../../support/app.ts";

let app: TestApp;
beforeAll(async () => {
  app = await openApp();
});
afterAll(() => app.close());

function openTimeline(stream: string, bound = {}, store = app) {
  const client = createClient({
    url: "http://kilde.test",
    fetch: (url, init) => store.fetch(url.slice("http://kilde.test".length), init),
  });
  return { client, timeline: createTimeline(client, stream, bound) };
}

const { signal } = new AbortController();

test("timeline: it begins with the latest events, and reads earlier and newer ones around them", async () => {
  const { client, timeline } = openTimeline("user-1");
  const events = Array.from({ length: 45 }, (_, index) => ({ type: "T", data: index }));
  await client.append("user-1", events);
  const versions = () => timeline.state.value.events.map(({ version }) => version);
  await timeline.readLatest(signal);
  expect([versions()[0], versions().length, timeline.state.value.hasEarlier]).toEqual([45, 20, true]);
  await client.append("user-1", { type: "T" });
  await timeline.readLatest(signal);
  expect([versions()[0], versions().length]).toEqual([46, 21]);
  await timeline.readEarlier(signal);
  await timeline.readEarlier(signal);
  expect(versions()).toEqual(Array.from({ length: 46 }, (_, index) => 46 - index));
  expect(timeline.state.value.hasEarlier).toBe(false);
});

test("timeline: as of a version it ends there, and does not grow", async () => {
  const { client, timeline } = openTimeline("user-2", { toVersion: 2 });
  await client.append("user-2", [{ type: "A" }, { type: "B" }, { type: "C" }]);
  await timeline.readLatest(signal);
  await client.append("user-2", { type: "D" });
  await timeline.readLatest(signal);
  expect(timeline.state.value.events.map(({ type }) => type)).toEqual(["B", "A"]);
});

test("timeline: an erasure removes the events that are shown", async () => {
  const { client, timeline } = openTimeline("user-3");
  await client.append("user-3", [{ type: "A" }, { type: "B" }]);
  await timeline.readLatest(signal);
  await client.erase("user-3", "by request");
  await timeline.readLatest(signal);
  expect(timeline.state.value.events.map(({ version, erased }) => [version, erased])).toEqual([[3, true]]);
});

/** A server that can be replaced by another one at the same address, as a restore does. */
async function openRestorable() {
  const restored = await openApp();
  let current = app;
  const client = createClient({
    url: "http://kilde.test",
    fetch: (url, init) => current.fetch(url.slice("http://kilde.test".length), init),
  });
  return {
    client,
    restore() {
      current = restored;
    },
    [Symbol.asyncDispose]: () => restored.close(),
  };
}

test.each([
  ["the latest events", {}],
  ["the past up to a version", { toVersion: 3 }],
])("timeline: of %s, it starts again after a restore of the server", async (_, bound) => {
  await using store = await openRestorable();
  const { client } = store;
  const stream = `restored-${Object.keys(bound).length}`;
  const timeline = createTimeline(client, stream, bound);
  const types = () => timeline.state.value.events.map(({ type }) => type);
  await client.append(stream, [{ type: "Old1" }, { type: "Old2" }, { type: "Lost3" }]);
  await timeline.readLatest(signal);
  expect(types()).toEqual(["Lost3", "Old2", "Old1"]);
  store.restore();
  await timeline.readLatest(signal);
  expect(timeline.state.value).toEqual({ events: [], hasEarlier: false, isLoaded: true });
  await client.append(stream, [{ type: "Old1" }, { type: "New2" }], { logIdentity: null });
  await timeline.readLatest(signal);
  expect(types()).toEqual(["New2", "Old1"]);
});

test("timeline: after a restore, events of the former history are not shown beside those of the new one", async () => {
  await using store = await openRestorable();
  const { client } = store;
  const events = (type: string) => Array.from({ length: 30 }, () => ({ type }));
  const timeline = createTimeline(client, "restored-long", {});
  await client.append("restored-long", events("Former"));
  await timeline.readLatest(signal);
  store.restore();
  await client.append("restored-long", events("Current"), { logIdentity: null });
  await timeline.readEarlier(signal);
  expect(new Set(timeline.state.value.events.map(({ type }) => type))).toEqual(new Set(["Current"]));
  await timeline.readEarlier(signal);
  expect(timeline.state.value.events.map(({ version }) => version)).toEqual(
    Array.from({ length: 30 }, (_, index) => 30 - index),
  );
});

/** A timeline of which one read of earlier events waits until it is let go. */
async function openHeld(stream: string) {
  const { client } = openTimeline(stream);
  await client.append(
    stream,
    Array.from({ length: 50 }, () => ({ type: "T" })),
  );
  const gate = Promise.withResolvers<void>();
  let isHeld = false;
  const timeline = createTimeline(
    {
      async *readPages(options) {
        for await (const page of client.readPages(options)) {
          if (isHeld && options?.direction === "backwards" && options.toVersion !== undefined)
            await gate.promise;
          yield page;
        }
      },
    } as Pick<typeof client, "readPages">,
    stream,
    {},
  );
  await timeline.readLatest(signal);
  isHeld = true;
  const reading = timeline.readEarlier(signal);
  await Bun.sleep(20);
  return { client, timeline, finish: () => (gate.resolve(), reading) };
}

test("timeline: earlier events that arrive after an erasure are not shown", async () => {
  const { client, timeline, finish } = await openHeld("user-6");
  await client.erase("user-6", "by request");
  await timeline.readLatest(signal);
  await finish();
  expect(timeline.state.value.events.map(({ version }) => version)).toEqual([51]);
});

test("timeline: earlier events that arrive after many later ones leave no gap", async () => {
  const { client, timeline, finish } = await openHeld("user-7");
  await client.append(
    "user-7",
    Array.from({ length: 40 }, () => ({ type: "T" })),
  );
  await timeline.readLatest(signal);
  await finish();
  const versions = timeline.state.value.events.map(({ version }) => version);
  expect(versions).toEqual(Array.from(versions, (_, index) => 90 - index));
  expect(timeline.state.value.hasEarlier).toBe(true);
});

test("timeline: a stream without events is loaded and empty", async () => {
  const { timeline } = openTimeline("nobody");
  await timeline.readLatest(signal);
  expect(timeline.state.value).toEqual({ events: [], hasEarlier: false, isLoaded: true });
});

test("timeline: of large events it holds fewer, and reads the earlier ones on request", async () => {
  const small = await openApp({ limits: { ...DEFAULT_LIMITS, eventBytes: 2_000, pageBytes: 10_000 } });
  const { client, timeline } = openTimeline("user-5", {}, small);
  const data = "x".repeat(1_900);
  await client.append(
    "user-5",
    Array.from({ length: 25 }, () => ({ type: "T", data })),
  );
  await timeline.readLatest(signal);
  const counts: number[] = [];
  while (timeline.state.value.hasEarlier) {
    counts.push(timeline.state.value.events.length);
    await timeline.readEarlier(signal);
  }
  expect(counts[0]).toBeLessThan(20);
  expect(timeline.state.value.events.map(({ version }) => version)).toEqual(
    Array.from({ length: 25 }, (_, index) => 25 - index),
  );
  await small.close();
});
