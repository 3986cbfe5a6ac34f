import { afterEach, beforeEach, describe, expect, test } from "bun:test";

import { openApp, takeEvents, type TestApp } from "../../support/app.ts";
import { eventually } from "../../support/eventually.ts";
import { forEachDeployment, shared } from "../../support/deployments.ts";
import { createTestKey, type TestKey } from "../../support/keys.ts";
import { testInProcess } from "../../support/tested-on.ts";

const SSE = { headers: { accept: "text/event-stream" } };

/** Longest time until access ends in another process, with the time of a busy machine. */
const SOON_MS = 8_000;

/** Longest time until another process knows a new key. */
const KNOWN_MS = 1_500;

/** Statuses of requests with invalid credentials: 429 after many from one address, which tests in a worker share. */
const REFUSED = [401, 429];

async function known({ fetch }: TestKey): Promise<void> {
  await eventually(async () => (await fetch("/events?limit=1")).status === 200);
}

/** Settles with the result, and the time that it took; rejects after much more than access may take to end. */
async function timed<Result>(result: Promise<Result>): Promise<{ result: Result; ms: number }> {
  const began = performance.now();
  const late = Bun.sleep(20_000).then(() => {
    throw new Error("access did not end");
  });
  return { result: await Promise.race([result, late]), ms: performance.now() - began };
}

/** Reads a body to its end, slowly if at all. Rejects when it breaks off. */
async function readAll(response: Response): Promise<number> {
  let bytes = 0;
  for await (const part of response.body ?? []) bytes += part.length;
  return bytes;
}

/** Sends a request whose body arrives when `finish` is called. */
function sendLate(fetch: TestApp["fetch"], method: string, path: string, value: object) {
  const { promise, resolve: finish } = Promise.withResolvers<void>();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await promise;
      controller.enqueue(new TextEncoder().encode(JSON.stringify(value)));
      controller.close();
    },
  });
  const headers = { "content-type": "application/json" };
  return { finish, answer: fetch(path, { method, body, headers }) };
}

forEachDeployment(["file", "sqld", "worker"], (deployment) => {
  describe(`the end of access (${deployment.name})`, () => {
    let opened: Awaited<ReturnType<typeof deployment.open>>;
    /** The node that requests are sent to, and one that revokes keys: the same where the database is not shared. */
    let app: TestApp;
    let revoking: TestApp;
    let admin: TestKey;
    beforeEach(async () => {
      opened = await deployment.open();
      app = await openApp({ database: opened.database(), isShared: true });
      revoking = deployment.shared ? await openApp({ database: opened.database(), isShared: true }) : app;
      admin = await createTestKey(app, ["admin"]);
      await known(admin);
      await admin.append("order-1", { type: "A" }, { type: "B" });
    });
    afterEach(async () => {
      if (revoking !== app) await revoking.close();
      await app.close();
      await opened.dispose();
    });

    /** A new key, which other processes know after a second. `lifeMs`: how long it then lives; null: forever. */
    const reader = async (lifeMs: number | null = null) => {
      const expires = lifeMs === null ? null : Date.now() + KNOWN_MS + lifeMs;
      const key = await createTestKey(app, ["read:/events"], { expires });
      await known(key);
      return key;
    };

    test("a revocation ends an event stream after its last complete event, and its client may not return", async () => {
      const revoked = await reader();
      const kept = await reader();
      const taking = takeEvents(await revoked.fetch("/events", SSE), 99);
      const staying = takeEvents(await kept.fetch("/events", SSE), 3);
      await Bun.sleep(200);
      await revoking.store.access.revoke(revoked.id);
      const { result: taken, ms } = await timed(taking);
      expect(taken.map(({ event }) => event)).toEqual(["A", "B"]);
      expect(ms).toBeLessThan(SOON_MS);
      expect(REFUSED).toContain((await revoked.fetch("/events", SSE)).status);
      await admin.append("order-1", { type: "C" });
      expect((await staying).map(({ event }) => event)).toEqual(["A", "B", "C"]);
    });

    test("a revocation ends a long-poll with 401", async () => {
      const { id, fetch } = await reader();
      const polling = fetch("/events?lastEventId=2&timeout=30000");
      await Bun.sleep(200);
      await revoking.store.access.revoke(id);
      const { result: response, ms } = await timed(polling);
      expect(response.status).toBe(401);
      expect(response.headers.get("www-authenticate")).toBe('Bearer realm="kilde", error="invalid_token"');
      expect(ms).toBeLessThan(SOON_MS);
    });

    test("a key that expires ends its event streams and long-polls", async () => {
      const { fetch } = await reader(1_500);
      const taking = takeEvents(await fetch("/events", SSE), 99);
      const polling = fetch("/events?lastEventId=2&timeout=30000");
      const { result } = await timed(Promise.all([taking, polling]));
      expect(result[0]).toHaveLength(2);
      expect(result[1].status).toBe(401);
      expect(REFUSED).toContain((await fetch("/events")).status);
    });

    test("a rotated key ends with its overlap, and its successor continues", async () => {
      const { id, fetch } = await reader();
      const taking = takeEvents(await fetch("/events", SSE), 99);
      const rotation = await revoking.store.access.rotate(id, { overlapMs: 1_500 });
      if (rotation.outcome !== "rotated") throw new Error(rotation.outcome);
      await admin.append("order-1", { type: "C" });
      expect((await timed(taking)).result).toHaveLength(3);
      expect(REFUSED).toContain((await fetch("/events")).status);
    });

    test("a request whose body arrives after the revocation changes nothing", async () => {
      const grants = ["append:/streams/*", "read:/events", "manage:/subscriptions"];
      const { id, fetch } = await createTestKey(app, grants, { consumer: "cards" });
      const other = await createTestKey(app, ["admin"]);
      const hook = { source: "/events", url: "http://127.0.0.1:9/hook" };
      const events = [{ type: "B" }];
      const sent = [
        sendLate(fetch, "POST", "/streams/order-1", { events }),
        sendLate(fetch, "POST", "/transactions", { appends: [{ stream: "order-1", events }] }),
        sendLate(fetch, "POST", "/appends", [{ stream: "order-1", events }]),
        sendLate(fetch, "PUT", "/events/consumers/cards", { position: 1 }),
        sendLate(fetch, "POST", "/subscriptions", hook),
        sendLate(other.fetch, "POST", "/keys", { name: "heir", grants: ["admin"] }),
      ];
      await Bun.sleep(100);
      await revoking.store.access.revoke(id);
      await revoking.store.access.revoke(other.id);
      if (revoking !== app) await Bun.sleep(1_100);
      for (const { finish, answer } of sent) {
        finish();
        expect((await answer).status).toBe(401);
      }
      expect(await admin.get("/events")).toHaveLength(2);
      expect(await admin.get<object>("/subscriptions")).toEqual({ subscriptions: [] });
      expect(await admin.get<object>("/events/consumers")).toEqual({ consumers: [] });
      expect(JSON.stringify(await admin.get<object>("/keys"))).not.toContain("heir");
    });

    // In a worker the page is in buffers of the platform at once.
    testInProcess("a revocation breaks off a large page that is being sent", async () => {
      const { id, fetch } = await reader();
      const data = "x".repeat(400_000);
      for (let at = 0; at < 12; at += 1) await admin.append("large", { type: "L", data });
      const response = await fetch("/events?limit=1000");
      expect(response.status).toBe(200);
      await revoking.store.access.revoke(id);
      if (revoking !== app) await Bun.sleep(5_000);
      const outcome = await timed(readAll(response).catch(() => "broken off"));
      expect(outcome.result).toBe("broken off");
    });
  });
});

describe("the end of an open store", () => {
  let opened: Awaited<ReturnType<typeof shared.open>>;
  let app: TestApp;
  let other: TestApp;
  beforeEach(async () => {
    opened = await shared.open();
    app = await openApp({ database: opened.database(), isShared: true });
    other = await openApp({ database: opened.database(), isShared: true });
  });
  afterEach(async () => {
    await other.close();
    await app.close();
    await opened.dispose();
  });

  test("the first key ends the event streams and long-polls of senders without credentials", async () => {
    await app.append("order-1", { type: "A" });
    const taking = takeEvents(await app.fetch("/events", SSE), 99);
    const polling = app.fetch("/events?lastEventId=1&timeout=30000");
    await Bun.sleep(100);
    await createTestKey(other, ["admin"]);
    const { result } = await timed(Promise.all([taking, polling]));
    expect(result[0]).toHaveLength(1);
    expect(result[1].status).toBe(401);
    expect(result[1].headers.get("www-authenticate")).toBe('Bearer realm="kilde"');
  });
});

testInProcess("a revocation ends the requests of its own process at once", async () => {
  const app = await openApp();
  try {
    const { id, fetch } = await createTestKey(app, ["read:/events"]);
    const ended: string[] = [];
    const polling = fetch("/events?timeout=30000").then(({ status }) => ended.push(`long-poll ${status}`));
    const response = await fetch("/events", SSE);
    const following = readAll(response).then(() => ended.push("event stream"));
    await Bun.sleep(50);
    await app.store.access.revoke(id);
    await Bun.sleep(50);
    expect(ended.toSorted()).toEqual(["event stream", "long-poll 401"]);
    await Promise.all([polling, following]);
  } finally {
    await app.close();
  }
});
