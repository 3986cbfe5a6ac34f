import { afterEach, beforeEach, expect, test } from "bun:test";

import { type Client, createClient, type StoreChanges } from "../../src/client/index.ts";
import { openApp, type TestApp } from "../support/app.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["file", "sqld"]);

let app: TestApp;
let client: Client;
beforeEach(async () => {
  app = await openApp({ environment: "staging" });
  client = createClient({
    url: "http://kilde.test",
    fetch: (url, init) => app.fetch(url.slice("http://kilde.test".length), init),
    sleep: () => Promise.resolve(),
  });
});
afterEach(() => app.close());

test("the client reads the overview", async () => {
  await client.append("a", { type: "A" });
  expect(await client.overview()).toMatchObject({ environment: "staging", head: 1, problems: [] });
});

test("the client follows changes, and again over another connection", async () => {
  const ending = new AbortController();
  const messages: StoreChanges[] = [];
  let connections = 0;
  const options = { signal: ending.signal, onOpen: () => (connections += 1) };
  for await (const changes of client.changes(options)) {
    messages.push(changes);
    if (messages.length === 1) await client.append("a", { type: "A" });
    if (changes.logs?.["/events"] === 1) break;
  }
  expect(messages[0]?.logs).toEqual({ "/events": 0 });
  for await (const changes of client.changes(options)) {
    expect(changes.logs).toEqual({ "/events": 1 });
    ending.abort();
  }
  expect(connections).toBe(2);
});

test("the client lists consumers in a state, and reads the lag of one", async () => {
  await client.append("a", { type: "A" });
  await client.commit(1, { consumer: "cards" });
  await client.commit(1, { consumer: "stuck", blocked: 1 });
  const names: string[] = [];
  for await (const { consumer } of client.consumers(undefined, { states: ["blocked"] })) names.push(consumer);
  expect(names).toEqual(["stuck"]);
  expect(await client.consumerLag("cards")).toMatchObject({ stepSeconds: 300 });
});

test("the client lists consumers after a name, a page at a time, and forgets one", async () => {
  await client.append("a", { type: "A" });
  for (const consumer of ["a", "b", "c", "d"]) await client.commit(1, { consumer });
  const namesAfter = async (after: string): Promise<string[]> => {
    const names: string[] = [];
    for await (const { consumer } of client.consumers(undefined, { after, pageSize: 2 }))
      names.push(consumer);
    return names;
  };
  expect(await namesAfter("a")).toEqual(["b", "c", "d"]);
  await client.forgetConsumer("c");
  expect(await namesAfter("b")).toEqual(["d"]);
  expect(client.forgetConsumer("c")).rejects.toMatchObject({ code: "consumer-not-found" });
});

test("the client lists subscriptions from the one after an id", async () => {
  const url = "https://hooks.example.org/kilde";
  for (const source of ["/events", "/events"]) await client.subscriptions.create({ source, url });
  const ids: string[] = [];
  for await (const { subscription } of client.subscriptions.list()) ids.push(subscription);
  const later: string[] = [];
  for await (const { subscription } of client.subscriptions.list({ after: ids[0] ?? "" }))
    later.push(subscription);
  expect([ids.length, later]).toEqual([2, ids.slice(1)]);
});

test("the client lists subscriptions with a status", async () => {
  const url = "https://hooks.example.org/kilde";
  const { subscription } = await client.subscriptions.create({ source: "/events", url });
  await client.subscriptions.create({ source: "/operations", url });
  await client.subscriptions.pause(subscription);
  const paused: string[] = [];
  for await (const one of client.subscriptions.list({ statuses: ["paused"] })) paused.push(one.subscription);
  expect(paused).toEqual([subscription]);
  const ofOperations: string[] = [];
  for await (const one of client.subscriptions.list({ source: "/operations" })) ofOperations.push(one.source);
  expect(ofOperations).toEqual(["/operations"]);
});
