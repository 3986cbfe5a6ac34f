import { afterAll, beforeAll, expect, test } from "bun:test";

import { createClient } from "../../../src/client/client.ts";
import { exportName, exportStream } from "../../../src/console/streams/stream-export.ts";
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

function eventsOf(texts: readonly string[]): { type: string; data: unknown }[] {
  const lines = texts.join("").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as { type: string; data: unknown });
}

test("export: it has every event of the stream once, in order, over several pages", async () => {
  const client = clientOfApp();
  for (let start = 0; start < 2_500; start += 500) {
    const events = Array.from({ length: 500 }, (_, index) => ({ type: "T", data: start + index }));
    await client.append("user-1", events);
  }
  const progress: number[] = [];
  const onProgress = (characters: number) => progress.push(characters);
  const { texts, isCut } = await exportStream(client, { stream: "user-1", bound: {}, onProgress, signal });
  expect(eventsOf(texts).map(({ data }) => data)).toEqual(Array.from({ length: 2_500 }, (_, index) => index));
  expect([isCut, progress.length]).toEqual([false, texts.length]);
  expect(texts.length).toBeGreaterThan(1);
});

test("export: it ends at the version that is shown, and at its limit", async () => {
  const client = clientOfApp();
  await client.append("user/2 ø", [{ type: "A" }, { type: "B" }, { type: "C" }]);
  const options = { stream: "user/2 ø", onProgress: () => {}, signal };
  const { texts } = await exportStream(client, { ...options, bound: { toVersion: 2 } });
  expect(eventsOf(texts).map(({ type }) => type)).toEqual(["A", "B"]);
  const cut = await exportStream(client, { ...options, bound: {}, mostCharacters: 10 });
  expect(cut).toEqual({ texts: [], isCut: true });
});

test.each([
  ["user-1", "user-1.ndjson"],
  ["../../etc/passwd", "_.._etc_passwd.ndjson"],
  ["--x", "x.ndjson"],
  ["ø", "_.ndjson"],
  ["..", "stream.ndjson"],
])("export: the file of %j is %s", (stream, name) => {
  expect(exportName(stream)).toBe(name);
});
