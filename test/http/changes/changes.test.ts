import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import { renewIdentities } from "../../../src/backup/renew-identities.ts";
import type { StoreChanges } from "../../../src/client/store-types.ts";
import { KildeError } from "../../../src/core/errors.ts";
import { systemClock } from "../../../src/core/system-clock.ts";
import { jsonPost, openApp, type TestApp } from "../../support/app.ts";
import { forEachDeployment } from "../../support/deployments.ts";
import { eventually } from "../../support/eventually.ts";
import { sketch } from "../../support/feeds.ts";
import { createTestKey, type TestKey } from "../../support/keys.ts";
import { openProjection } from "../../support/projection.ts";
import type { Database } from "../../../src/storage/database.ts";

const FEEDS = [sketch({ name: "orders" }), sketch({ name: "open", access: "public" })];

/** A stream of changes that is being read. */
interface Observed {
  readonly messages: readonly StoreChanges[];
  /** The latest head of a log in the messages. */
  head(path: string): number | undefined;
  hasEnded(): boolean;
  stop(): Promise<void>;
}

async function observe({ fetch }: Pick<TestKey, "fetch">): Promise<Observed> {
  const response = await fetch("/changes");
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  const messages: StoreChanges[] = [];
  let text = "";
  let ended = false;
  const reading = (async () => {
    for (;;) {
      const part = await reader?.read();
      if (part === undefined || part.done) break;
      text += part.value;
      for (let end = text.indexOf("\n\n"); end !== -1; end = text.indexOf("\n\n")) {
        const message = /^event: changes\ndata: (.*)$/.exec(text.slice(0, end))?.[1];
        if (message !== undefined) messages.push(JSON.parse(message) as StoreChanges);
        text = text.slice(end + 2);
      }
    }
    ended = true;
  })();
  await eventually(() => messages.length > 0 || ended);
  return {
    messages,
    head: (path) => messages.findLast(({ logs }) => logs?.[path] !== undefined)?.logs?.[path],
    hasEnded: () => ended,
    async stop() {
      await reader?.cancel();
      await reading;
    },
  };
}

forEachDeployment(["memory", "file", "sqld"], (deployment) => {
  describe(`changes (${deployment.name})`, () => {
    let opened: Awaited<ReturnType<typeof deployment.open>>;
    let database: Database;
    let app: TestApp;
    let admin: TestKey;
    let observed: Observed[];
    beforeEach(async () => {
      opened = await deployment.open();
      database = opened.database();
      app = await openApp({ database, feeds: FEEDS });
      admin = await createTestKey(app, ["admin"]);
      await admin.append("order-1", { type: "A" });
      observed = [];
    });
    afterEach(async () => {
      for (const { stop } of observed) await stop();
      await app.close();
      await opened.dispose();
    });

    const watch = async (key: Pick<TestKey, "fetch">) => {
      const stream = await observe(key);
      observed.push(stream);
      return stream;
    };

    const subscribe = async (): Promise<string> => {
      const body = { source: "/events", url: "https://hooks.example.org/kilde" };
      const made = await admin.fetch("/subscriptions", jsonPost(body));
      return ((await made.json()) as { subscription: string }).subscription;
    };

    test("the first message has every head, and later ones only those that moved", async () => {
      const { messages, head } = await watch(admin);
      expect(messages[0]).toEqual({
        logs: { "/events": 1, "/feeds/open/v1": 0, "/feeds/orders/v1": 0 },
        operations: expect.any(Number),
        keys: expect.any(Number),
      });
      await admin.append("order-1", { type: "A" }, { type: "B" });
      await eventually(() => head("/events") === 3);
      expect(messages.at(-1)).toEqual({ logs: { "/events": 3 } });
    });

    test("an append is visible within a second, and many are few messages", async () => {
      const { messages, head } = await watch(admin);
      const began = performance.now();
      await admin.append("order-1", { type: "A" });
      await eventually(() => head("/events") === 2);
      expect(performance.now() - began).toBeLessThan(1_000);
      const before = messages.length;
      const flooding = performance.now();
      for (let n = 3; n <= 102; n += 1) await admin.append("order-2", { type: "A" });
      await eventually(() => head("/events") === 102);
      const seconds = (performance.now() - flooding) / 1_000;
      expect(messages.length - before).toBeLessThanOrEqual(4 * Math.ceil(seconds) + 1);
    });

    test("a stream ends while the store cannot be read, and the next request states the cause", async () => {
      let isAway = false;
      const unsteady: Database = {
        ...database,
        read: (statement) =>
          isAway
            ? Promise.reject(new KildeError("storage-unavailable", "The database is away"))
            : database.read(statement),
      };
      const other = await openApp({ database: unsteady });
      try {
        const key = await createTestKey(other, ["admin"]);
        const { hasEnded, stop } = await observe(key);
        isAway = true;
        await eventually(hasEnded);
        expect((await key.fetch("/changes")).status).toBe(503);
        isAway = false;
        await stop();
        const { messages, stop: stopAgain } = await observe(key);
        expect(messages[0]?.logs?.["/events"]).toBe(1);
        await stopAgain();
      } finally {
        await other.close();
      }
    });

    test("subscriptions are named when they are created, changed and removed", async () => {
      const { messages } = await watch(admin);
      const named = (id: string) =>
        messages.filter(({ subscriptions }) => subscriptions?.includes(id)).length;
      const id = await subscribe();
      await eventually(() => named(id) === 1);
      await admin.fetch(`/subscriptions/${id}/pause`, { method: "POST" });
      await eventually(() => named(id) === 2);
      await admin.fetch(`/subscriptions/${id}`, { method: "DELETE" });
      await eventually(() => named(id) === 3);
    });

    test("consumers, keys, feeds and entries of administration are reported", async () => {
      const { messages, head } = await watch(admin);
      const first = messages[0];
      const cards = await createTestKey(app, ["read:/events"], { consumer: "cards" });
      await eventually(() =>
        messages.slice(1).some(({ keys }) => keys !== undefined && keys !== first?.keys),
      );
      await cards.fetch("/events/consumers/cards", { method: "PUT", body: JSON.stringify({ position: 1 }) });
      await eventually(() => messages.some(({ consumers }) => consumers === true));
      const { subscription } = { subscription: await subscribe() };
      await admin.fetch(`/subscriptions/${subscription}/pause`, { method: "POST" });
      await eventually(() => messages.slice(1).some(({ operations }) => operations !== undefined));
      const projection = await openProjection({ database, writer: app.store.writer }, FEEDS);
      await projection.drain();
      await projection.feeds.close();
      await eventually(() => head("/feeds/orders/v1") === 1);
    });

    test("a sender observes only what its grants reach", async () => {
      const blind = await watch(await createTestKey(app, ["read:/metrics"]));
      const reader = await watch(await createTestKey(app, ["read:/events?subjectPrefix=order-"]));
      const manager = await watch(await createTestKey(app, ["manage:/subscriptions", "manage:/events"]));
      expect(blind.messages[0]).toEqual({ logs: { "/feeds/open/v1": 0 } });
      expect(reader.messages[0]).toEqual({ logs: { "/events": 1, "/feeds/open/v1": 0 } });
      expect(manager.messages[0]).toEqual({ logs: { "/feeds/open/v1": 0 } });
      const everything = await watch(admin);
      const id = await subscribe();
      const cards = await createTestKey(app, ["read:/events"], { consumer: "cards" });
      await cards.fetch("/events/consumers/cards", { method: "PUT", body: JSON.stringify({ position: 1 }) });
      await admin.append("order-1", { type: "A" });
      await eventually(() => everything.head("/events") === 2 && reader.head("/events") === 2);
      await eventually(() => everything.messages.some(({ subscriptions }) => subscriptions?.includes(id)));
      await eventually(() => manager.messages.some(({ consumers }) => consumers === true));
      expect(blind.messages).toHaveLength(1);
      expect(reader.messages.slice(1).flatMap((message) => Object.keys(message))).toEqual(["logs"]);
      expect(manager.messages.flatMap((message) => Object.keys(message))).not.toContain("subscriptions");
    });

    test("a revocation ends the stream, and its sender may not return", async () => {
      const key = await createTestKey(app, ["read:/events"]);
      const { hasEnded } = await watch(key);
      await app.store.access.revoke(key.id);
      await eventually(hasEnded);
      expect((await key.fetch("/changes")).status).toBe(401);
    });

    test("a restore ends the stream", async () => {
      const { hasEnded } = await watch(admin);
      await renewIdentities(database, systemClock);
      await eventually(hasEnded);
    });

    test("nobody observes, and the store is not looked at", async () => {
      let reads = 0;
      const counting: Database = {
        ...database,
        read(statement) {
          reads += 1;
          return database.read(statement);
        },
      };
      const other = await openApp({ database: counting });
      const { stop } = await observe(await createTestKey(other, ["admin"]));
      await stop();
      // A look may be under way.
      await Bun.sleep(300);
      const before = reads;
      await Bun.sleep(1_000);
      expect(reads).toBe(before);
      await other.close();
    });

    test("an open console reads as often as four looks a second need, however many events are appended", async () => {
      let reads = 0;
      const counting: Database = {
        ...database,
        close: () => {},
        read(statement) {
          reads += 1;
          return database.read(statement);
        },
      };
      const other = await openApp({ database: counting });
      const key = await createTestKey(other, ["admin"]);
      const { head, stop } = await observe(key);
      await key.append("order-3", { type: "A" });
      const before = reads;
      const began = performance.now();
      for (let n = 0; n < 400; n += 1) await key.append("order-3", { type: "A" });
      await eventually(() => head("/events") === 402);
      const looks = 4 * ((performance.now() - began) / 1_000) + 2;
      // Heads, and at most three queries for the marks.
      expect(reads - before).toBeLessThanOrEqual(4 * Math.ceil(looks));
      await stop();
      await other.close();
    });

    test("observers count as followers", async () => {
      const bounded = await openApp({ database, limits: { followers: 1 } });
      const key = await createTestKey(bounded, ["admin"]);
      const { stop } = await observe(key);
      const refused = await key.fetch("/changes");
      expect([refused.status, ((await refused.json()) as { type: string }).type]).toEqual([
        503,
        "/problems/too-many-followers",
      ]);
      await stop();
      await (await observe(key)).stop();
      await bounded.close();
    });
  });
});
