import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import type { RunningDeliveries } from "../../src/runtime/threads/deliveries.ts";
import type { Database } from "../../src/storage/database.ts";
import { CREATOR_ENDED } from "../../src/webhooks/subscriptions/creator-access.ts";
import { jsonPost, openApp, type TestApp, type WireEvent } from "../support/app.ts";
import { forEachDeployment } from "../support/deployments.ts";
import { eventually } from "../support/eventually.ts";
import { createTestKey, type TestKey } from "../support/keys.ts";
import { TESTED_ON } from "../support/tested-on.ts";
import { startNodeDeliveries } from "./node-deliveries.ts";

interface Shown {
  readonly subscription: string;
  readonly subjectPrefix: string;
  readonly status: string;
  readonly reason: string | null;
  readonly creator: string | null;
  readonly [member: string]: unknown;
}

/** Longest time until a delivery ends with its creator's access, with the time of a busy machine. */
const SOON_MS = 8_000;

const SUBSCRIBER = ["manage:/subscriptions", "read:/streams/order-*"];

function startReceiver() {
  const taken: string[] = [];
  const times: number[] = [];
  const refused = new Set<string>();
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      const { subject, sequence } = (await request.json()) as WireEvent;
      if (refused.has(subject)) return new Response(null, { status: 500 });
      taken.push(`${subject}@${Number(sequence)}`);
      times.push(performance.now());
      return new Response(null, { status: 204 });
    },
  });
  return { url: server.url.href, taken, times, refused, stop: () => server.stop(true) };
}

forEachDeployment(["file", "sqld", "worker"], (deployment) => {
  describe(`the creator of a subscription (${deployment.name})`, () => {
    let opened: Awaited<ReturnType<typeof deployment.open>>;
    let app: TestApp;
    let admin: TestKey;
    let receiver: ReturnType<typeof startReceiver>;
    let nodes: {
      readonly database: Database;
      readonly node: TestApp;
      readonly deliveries: RunningDeliveries;
    }[];

    /** Opens another node that delivers. A worker delivers after requests. */
    const startNode = async () => {
      const database = opened.database();
      const node = await openApp({ database: opened.database(), isShared: true });
      const deliveries = startNodeDeliveries({
        database,
        writer: node.store.writer,
      });
      nodes.push({ database, node, deliveries });
    };

    beforeEach(async () => {
      opened = await deployment.open();
      app = await openApp({ database: opened.database(), isShared: true });
      admin = await createTestKey(app, ["admin"]);
      receiver = startReceiver();
      nodes = [];
    });
    afterEach(async () => {
      for (const { database, node, deliveries } of nodes) {
        await deliveries.close();
        await node.close();
        database.close();
      }
      await receiver.stop();
      await app.close();
      await opened.dispose();
    });

    const start = async () => {
      if (TESTED_ON === "worker") return;
      await startNode();
      await startNode();
    };

    /** Other processes know a new key after a second. */
    const known = async (key: TestKey): Promise<TestKey> => {
      await eventually(async () => (await key.fetch("/")).status === 200);
      return key;
    };

    const subscriber = async (options: Parameters<typeof createTestKey>[2] = {}) =>
      known(await createTestKey(app, SUBSCRIBER, options));

    const subscribe = async ({ fetch }: TestKey, body: object = {}) => {
      const asked = { source: "/events", url: receiver.url, start: "beginning", ...body };
      const response = await fetch("/subscriptions", jsonPost(asked));
      if (response.status !== 201) throw new Error(`${response.status}: ${await response.text()}`);
      return (await response.json()) as Shown;
    };

    const shown = (by: TestKey, { subscription }: Shown) => by.get<Shown>(`/subscriptions/${subscription}`);

    const paused = (found: Shown) =>
      eventually(async () => {
        // A worker delivers after requests only.
        const now = await shown(admin, found);
        return now.status === "paused" ? now : null;
      });

    const patch = ({ fetch }: TestKey, { subscription }: Shown, body: object) =>
      fetch(`/subscriptions/${subscription}`, { ...jsonPost(body), method: "PATCH" });

    test("it delivers what its creator may read, until the creator's key is revoked; a sender that resumes it is its creator from then on", async () => {
      await known(admin);
      await start();
      const creator = await subscriber({ name: "shop" });
      const made = await subscribe(creator);
      expect([made.subjectPrefix, made.creator]).toEqual(["order-", "shop"]);
      for (const stream of ["order-1", "user-1", "order-2"]) await admin.append(stream, { type: "A" });
      await eventually(() => receiver.taken.length === 2);
      await app.store.access.revoke(creator.id);
      const revokedMs = performance.now();
      const stopped = (async () => {
        for (let now = await shown(admin, made); now.status !== "paused"; now = await shown(admin, made)) {
          await admin.append("order-1", { type: "A" });
          await Bun.sleep(50);
        }
      })();
      expect(await paused(made)).toMatchObject({ reason: CREATOR_ENDED, creator: "shop" });
      await stopped;
      const taken = receiver.taken.length;
      expect(Math.max(...receiver.times) - revokedMs).toBeLessThan(SOON_MS);
      await admin.append("order-1", { type: "A" });
      await Bun.sleep(300);
      expect(receiver.taken).toHaveLength(taken);

      const path = `/subscriptions/${made.subscription}`;
      const entries = await admin.get(`/operations?type=kilde.subscription.paused`);
      expect(entries.map(({ subject, data }) => [subject, data])).toEqual([
        [path, { principal: null, reason: CREATOR_ENDED }],
      ]);

      const stranger = await known(
        await createTestKey(app, ["manage:/subscriptions", "read:/streams/user-*"]),
      );
      expect((await stranger.fetch(`${path}/resume`, { method: "POST" })).status).toBe(404);
      expect((await admin.fetch(`${path}/resume`, { method: "POST" })).status).toBe(200);
      await admin.append("order-2", { type: "A" });
      await eventually(async () => {
        const { status, lag } = await shown(admin, made);
        return status === "active" && (lag as { events: number }).events === 0;
      });
      const versions = receiver.taken.flatMap((name) => (name.startsWith("order-1@") ? [name] : []));
      expect(new Set(versions).size).toBe((await admin.get("/streams/order-1")).length);
      expect(receiver.taken.filter((name) => name.startsWith("user-"))).toEqual([]);
    });

    test("it is paused before the first delivery if its creator's key was revoked while nobody delivered", async () => {
      await known(admin);
      const creator = await subscriber();
      const made = await subscribe(creator);
      await app.store.access.revoke(creator.id);
      // A worker may have begun to deliver.
      const before = TESTED_ON === "worker" ? SOON_MS : 0;
      await Bun.sleep(before);
      await admin.append("order-1", { type: "A" });
      await start();
      expect(await paused(made)).toMatchObject({ reason: CREATOR_ENDED });
      expect(receiver.taken).toEqual([]);
    });

    test("it is paused when its creator's key expires", async () => {
      await known(admin);
      await start();
      const made = await subscribe(await subscriber({ expires: Date.now() + 3_000 }));
      await admin.append("order-1", { type: "A" });
      await eventually(() => receiver.taken.length === 1);
      await Bun.sleep(3_000);
      // Something to deliver, for a worker.
      await admin.append("user-1", { type: "A" });
      expect(await paused(made)).toMatchObject({ reason: CREATOR_ENDED });
      expect(receiver.taken).toHaveLength(1);
    });

    test("it continues with the successor of its creator's key, and ends with that", async () => {
      await known(admin);
      await start();
      const creator = await subscriber();
      const made = await subscribe(creator);
      const rotation = await app.store.access.rotate(creator.id, { overlapMs: 0 });
      if (rotation.outcome !== "rotated") throw new Error(rotation.outcome);
      await Bun.sleep(3_000);
      await admin.append("order-1", { type: "A" });
      await eventually(() => receiver.taken.length === 1);
      await app.store.access.revoke(rotation.key.id);
      await Bun.sleep(3_000);
      await admin.append("user-1", { type: "A" });
      expect(await paused(made)).toMatchObject({ reason: CREATOR_ENDED });
    });

    test("a sender learns nothing of subjects that it may not read, and that were delivered before the selection was narrowed", async () => {
      await known(admin);
      await start();
      const made = await subscribe(admin);
      for (const subject of ["order-1", "user-1", "user-2"]) receiver.refused.add(subject);
      for (const stream of ["order-1", "user-1", "user-2"]) await admin.append(stream, { type: "A" });
      const path = `/subscriptions/${made.subscription}`;
      await eventually(async () => (await shown(admin, made))["blocked"] === 3);
      expect((await admin.fetch(`${path}/blocked/user-2/skip`, { method: "POST" })).status).toBe(200);
      expect((await patch(admin, made, { subjectPrefix: "order-" })).status).toBe(200);
      const key = await subscriber();
      for (const list of ["attempts", "blocked", "skips"]) {
        const seen = JSON.stringify(await key.get<object>(`${path}/${list}`));
        expect([list, seen.includes("user-"), seen.includes("order-1")]).toEqual([
          list,
          false,
          list !== "skips",
        ]);
      }
      expect(JSON.stringify(await admin.get<object>(`${path}/skips`))).toContain("user-2");
      for (const act of ["retry", "skip"])
        for (const subject of ["user-1", "user-3"]) {
          const response = await key.fetch(`${path}/blocked/${subject}/${act}`, { method: "POST" });
          expect([act, subject, response.status]).toEqual([act, subject, 403]);
        }
    });

    test("a sender that changes its address or selection becomes its creator, and must have the grant to read the selection", async () => {
      await known(admin);
      const [one, other] = [await subscriber({ name: "one" }), await subscriber({ name: "other" })];
      const made = await subscribe(one);
      const limited = { subjectPrefix: "order-", creator: "one" };
      expect((await patch(other, made, { description: "of ours" })).status).toBe(200);
      expect((await shown(one, made)).creator).toBe("one");
      // As at the creation, the grant limits a selection of everything.
      expect(await (await patch(other, made, { subjectPrefix: "" })).json()).toMatchObject(limited);
      expect((await patch(other, made, { subjectPrefix: "user-" })).status).toBe(403);
      expect((await shown(one, made)).creator).toBe("one");
      for (const change of [{ subjectPrefix: "order-7" }, { url: `${receiver.url}other` }, { headers: {} }]) {
        expect((await patch(one, made, change)).status).toBe(200);
        expect((await shown(one, made)).creator).toBe("one");
        expect((await patch(other, made, { ...change, headers: { "x-other": "1" } })).status).toBe(200);
        expect((await shown(one, made)).creator).toBe("other");
      }
    });
  });
});
