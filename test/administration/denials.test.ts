import { expect, test } from "bun:test";

import { jsonPost, openApp } from "../support/app.ts";
import { eventually } from "../support/eventually.ts";
import { createTestKey, withToken } from "../support/keys.ts";
import { runsOn } from "../support/tested-on.ts";

runsOn(["memory", "file", "sqld", "worker"]);

const DENIED = "/operations?type=kilde.access.denied";

test("denials of known senders are counted in one entry a minute, and those of unknown senders never", async () => {
  const app = await openApp();
  try {
    const admin = await createTestKey(app, ["admin"]);
    const reader = await createTestKey(app, ["read:/streams/order-*"], { name: "shop" });
    await eventually(async () => (await admin.fetch("/")).status === 200);
    await eventually(async () => (await reader.fetch("/streams/order-1")).status === 404);
    for (let n = 0; n < 5; n += 1) {
      expect((await app.fetch("/events")).status).toBe(401);
      expect((await withToken(app, "garbage").fetch("/events")).status).toBe(401);
    }
    await app.store.denials.flush();
    expect(await admin.get(DENIED)).toEqual([]);
    const refused = await reader.fetch("/streams/user-1", jsonPost({ events: [{ type: "A" }] }));
    expect(refused.status).toBe(403);
    const [first] = await eventually(async () => {
      // A worker does so after each request.
      await app.store.denials.flush();
      const found = await admin.get(DENIED);
      return found.length > 0 && found;
    });
    const data = { principal: "shop", needs: "append:/streams/user-1", count: 1 };
    expect(first).toMatchObject({ subject: "/keys", data });
    for (let n = 0; n < 20; n += 1) expect((await reader.fetch("/events")).status).toBe(403);
    await app.store.denials.flush();
    expect(await admin.get(DENIED)).toHaveLength(1);
  } finally {
    await app.close();
  }
});
