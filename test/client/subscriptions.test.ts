import { afterEach, beforeEach, expect, test } from "bun:test";

import { type Client, createClient, type KildeError } from "../../src/client/index.ts";
import { openApp, type TestApp } from "../support/app.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["file", "sqld"]);

const HOOK = "https://hooks.example.org/kilde";

let app: TestApp;
let client: Client;
/** Requests that arrive, and whose answers do not. */
let lost: number;
let requests: string[];
beforeEach(async () => {
  app = await openApp();
  lost = 0;
  requests = [];
  client = createClient({
    url: "http://kilde.test",
    async fetch(url, init) {
      requests.push(init.method ?? "GET");
      const answer = await app.fetch(url.slice("http://kilde.test".length), init);
      if (lost-- > 0) throw new TypeError("connection reset");
      return answer;
    },
    sleep: () => Promise.resolve(),
  });
});
afterEach(() => app.close());

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const list: Item[] = [];
  for await (const item of items) list.push(item);
  return list;
}

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "no error",
    (error: KildeError) => error.code,
  );

test("the client creates, changes, operates and removes a subscription", async () => {
  await app.append("a/b", { type: "X" });
  const { subscriptions } = client;
  const { secret, publicKey, ...made } = await subscriptions.create({
    source: "/events",
    url: HOOK,
    start: { position: 0 },
    mode: "batch",
    batch: { events: 5 },
  });
  expect(secret).toStartWith("whsec_");
  expect(publicKey).toBeNull();
  const { subscription: id } = made;
  expect(await subscriptions.get(id)).toMatchObject({ cursor: 0, status: "active", batch: { events: 5 } });
  expect(await all(subscriptions.list())).toHaveLength(1);
  expect(await subscriptions.change(id, { types: ["X"], headers: { "X-A": "a" } })).toMatchObject({
    types: ["X"],
    headers: ["X-A"],
    mode: "batch",
  });
  expect(await subscriptions.pause(id)).toMatchObject({ status: "paused", reason: "requested" });
  expect(await subscriptions.pause(id, "moving")).toMatchObject({ reason: "moving" });
  expect(await subscriptions.resume(id)).toMatchObject({ status: "active", reason: null });
  expect(await subscriptions.rewind(id, { dryRun: true })).toEqual({ events: 0, subjects: 0, dryRun: true });
  expect(await subscriptions.rewind(id)).toEqual({ events: 0, subjects: 0, dryRun: false });
  const rotated = await subscriptions.rotateSecret(id, { overlapSeconds: 0 });
  expect(rotated.secret).not.toBe(secret);
  expect(await subscriptions.attempts(id)).toEqual({ attempts: [], next: null });
  expect(await all(subscriptions.blocked(id))).toEqual([]);
  expect(await subscriptions.skips(id)).toEqual([]);
  expect(await codeOf(subscriptions.retry(id, "a/b"))).toBe("subject-not-blocked");
  expect(await codeOf(subscriptions.skip(id, "a/b", { sequence: 1 }))).toBe("subject-not-blocked");
  await subscriptions.remove(id);
  expect(await codeOf(subscriptions.get(id))).toBe("subscription-not-found");
});

test("the client lists more subscriptions than a page has", async () => {
  await app.close();
  app = await openApp({ limits: { subscriptions: 1_001 } });
  const create = async () => {
    const { subscription } = await client.subscriptions.create({ source: "/events", url: HOOK });
    return subscription;
  };
  const made = await Promise.all(Array.from({ length: 1_001 }, create));
  const listed = (await all(client.subscriptions.list())).map(({ subscription }) => subscription);
  expect(listed).toEqual(made.toSorted());
});

test("only requests that are safe to repeat are retried when the answer is lost", async () => {
  const { subscription: id } = await client.subscriptions.create({ source: "/events", url: HOOK });
  lost = 1;
  expect(await client.subscriptions.pause(id)).toMatchObject({ status: "paused" });
  requests = [];
  lost = 1;
  expect(await codeOf(client.subscriptions.create({ source: "/events", url: HOOK }))).toBeUndefined();
  expect(requests).toEqual(["POST"]);
  expect(await all(client.subscriptions.list())).toHaveLength(2);
});
