import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import type { RunningDeliveries } from "../../src/runtime/threads/deliveries.ts";
import type { Database } from "../../src/storage/database.ts";
import { CREATOR_ENDED } from "../../src/webhooks/subscriptions/creator-access.ts";
import { jsonPost, openApp, type TestApp } from "../support/app.ts";
import { forEachDeployment } from "../support/deployments.ts";
import { eventually } from "../support/eventually.ts";
import { createTestKey, type TestKey } from "../support/keys.ts";
import { startNodeDeliveries } from "./node-deliveries.ts";

/** Longest time until a delivery ends with its creator's access, with the time of a busy machine. */
const SOON_MS = 8_000;

forEachDeployment(["file", "sqld"], (deployment) => {
  describe(`a process that cannot read the keys (${deployment.name})`, () => {
    let opened: Awaited<ReturnType<typeof deployment.open>>;
    let app: TestApp;
    let admin: TestKey;
    let creator: TestKey;
    let path: string;
    let database: Database;
    let deliveries: RunningDeliveries;
    let areKeysLost: boolean;
    let taken: string[];
    let receiver: ReturnType<typeof Bun.serve>;

    beforeEach(async () => {
      opened = await deployment.open();
      app = await openApp({ database: opened.database(), isShared: true });
      admin = await createTestKey(app, ["admin"]);
      creator = await createTestKey(app, ["manage:/subscriptions", "read:/events"]);
      taken = [];
      receiver = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        async fetch(request) {
          taken.push(((await request.json()) as { id: string }).id);
          return new Response(null, { status: 204 });
        },
      });
      areKeysLost = false;
      database = opened.database();
      deliveries = startNodeDeliveries({
        database: {
          ...database,
          read: (statement) =>
            areKeysLost && statement.sql.includes("access_state")
              ? Promise.reject(new Error("gone"))
              : database.read(statement),
        },
        writer: app.store.writer,
      });
      const asked = { source: "/events", url: String(receiver.url), start: "beginning" };
      const made = await creator.fetch("/subscriptions", jsonPost(asked));
      path = `/subscriptions/${((await made.json()) as { subscription: string }).subscription}`;
      await admin.append("a", { type: "A" });
      await eventually(() => taken.length === 1);
    });
    afterEach(async () => {
      await deliveries.close();
      await receiver.stop(true);
      database.close();
      await app.close();
      await opened.dispose();
    });

    const status = async () => (await admin.get<{ readonly status: string }>(path)).status;

    test("delivers nothing of a creator whose key may have been revoked, pauses nothing, and delivers again when it can read", async () => {
      areKeysLost = true;
      await Bun.sleep(SOON_MS);
      const before = taken.length;
      for (let count = 1; count <= 5; count += 1) await admin.append("a", { type: "A" });
      await Bun.sleep(1_000);
      expect(taken).toHaveLength(before);
      expect(await status()).toBe("active");
      areKeysLost = false;
      await eventually(() => taken.length === before + 5);
      expect(await admin.get("/operations?type=kilde.subscription.paused")).toEqual([]);
    });

    test("pauses the subscription of a creator that was revoked meanwhile as soon as it can read", async () => {
      areKeysLost = true;
      await app.store.access.revoke(creator.id);
      await Bun.sleep(SOON_MS);
      await admin.append("a", { type: "A" });
      await Bun.sleep(1_000);
      expect(taken).toHaveLength(1);
      expect(await status()).toBe("active");
      areKeysLost = false;
      await eventually(async () => (await status()) === "paused");
      expect(await admin.get(path)).toMatchObject({ reason: CREATOR_ENDED });
      expect(taken).toHaveLength(1);
    });
  });
});
