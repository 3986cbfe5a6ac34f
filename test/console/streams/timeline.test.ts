import { afterAll, beforeAll, expect, test } from "bun:test";

import { createTimeline } from "../../../src/console/streams/timeline.ts";
import { createClient } from "../../../src/client/client.ts";
import { openApp, type TestApp } from "../../support/app.ts";

let app: TestApp;
beforeAll(async () => {
  app = await openApp();
});
afterAll(() => app.close());

function openTimeline(stream: string, bound = {}) {
  const client = createClient({
    url: "http://kilde.test",
    fetch: (url, init) => app.fetch(url.slice("http://kilde.test".length), init),
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

test("timeline: a stream without events is loaded and empty", async () => {
  const { timeline } = openTimeline("nobody");
  await timeline.readLatest(signal);
  expect(timeline.state.value).toEqual({ events: [], hasEarlier: false, isLoaded: true });
});
