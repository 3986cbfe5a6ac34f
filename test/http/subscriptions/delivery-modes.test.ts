import { describe, expect, test } from "bun:test";
import { consent } from "kilde/webhook";

import { eventually } from "../../support/eventually.ts";
import { runsOn } from "../../support/tested-on.ts";
import {
  append,
  call,
  cleanUpDeliveries,
  ofSubject,
  post,
  startReceiver,
  startServer,
  startWithFeed,
  subscribe,
} from "./delivering.ts";

runsOn(["file", "sqld"]);
cleanUpDeliveries();

describe("each mode", () => {
  test("single sends one event a request, in order for each subject, as it was appended", async () => {
    const server = await startServer();
    const hook = startReceiver();
    await append(server, "a", 3);
    const subscription = await subscribe(server, hook);
    await append(server, "b", 2);
    await append(server, "a");
    await eventually(() => hook.requests.length === 6);
    expect(ofSubject(hook.taken(), "a")).toEqual(["a@1", "a@2", "a@3", "a@4"]);
    expect(ofSubject(hook.taken(), "b")).toEqual(["b@1", "b@2"]);
    for (const { events, webhookId } of hook.requests) {
      expect(events).toHaveLength(1);
      const [event] = events;
      expect(event).toMatchObject({ source: "/events", type: "A", specversion: "1.0" });
      expect(webhookId).toBe(`${subscription.subscription}_${event?.id}_${String(event?.["logidentity"])}`);
      expect(Number(event?.["previoussequence"])).toBe(Number(event?.["sequence"]) - 1);
    }
    // Events delivered ahead of the cursor count as lag until the next save.
    await eventually(async () => {
      const { cursor, lag } = await subscription.now();
      return cursor === 6 && lag.events === 0;
    });
    expect(await subscription.now()).toMatchObject({ status: "active", lag: { events: 0 }, blocked: 0 });
    await eventually(async () => {
      const { attempts } = await call<{ attempts: object[] }>(server, `${subscription.path}/attempts`);
      return attempts.length === 6;
    });
  });

  test("attempts are reported when nothing follows them", async () => {
    const server = await startServer();
    const hook = startReceiver();
    const subscription = await subscribe(server, hook);
    for (let count = 1; count <= 5; count += 1) {
      await append(server, "a");
      await eventually(async () => (await subscription.now()).cursor === count);
    }
    await eventually(async () => {
      const { attempts } = await call<{ attempts: object[] }>(server, `${subscription.path}/attempts`);
      return attempts.length === 5;
    });
  });

  test.each(["single", "batch"])(
    "%s: the lag counts the events that one subject waits for",
    async (mode) => {
      const server = await startServer();
      const hook = startReceiver();
      let taken = 0;
      let gate = Promise.resolve();
      const slow = Bun.serve({
        port: 0,
        hostname: "127.0.0.1",
        async fetch(request) {
          const body: unknown = await request.json();
          await Bun.sleep(10);
          await gate;
          taken += Array.isArray(body) ? body.length : 1;
          return new Response();
        },
      });
      const url = `http://127.0.0.1:${slow.port}/hook`;
      await append(server, "hot", 100);
      const { path } = await subscribe(server, hook, {
        url,
        mode,
        ...(mode === "batch" ? { batch: { events: 3 } } : {}),
      });
      const now = () => call<{ cursor: number; lag: { events: number; seconds: number } }>(server, path);
      const looks: { readonly left: number; readonly events: number; readonly cursor: number }[] = [];
      while (taken < 100) {
        const { cursor, lag } = await now();
        looks.push({ left: 100 - taken, events: lag.events, cursor });
        await Bun.sleep(20);
      }
      expect(looks.filter(({ left, events }) => events < left)).toEqual([]);
      await eventually(async () => (await now()).lag.events === 0);
      expect(await now()).toMatchObject({ cursor: 100, status: "active", lag: { events: 0, seconds: 0 } });
      const looked = Promise.withResolvers<void>();
      gate = looked.promise;
      await post(server, `${path}/rewind`, { after: 0, upTo: 90, subjects: ["hot"] });
      expect((await now()).lag.events).toBeGreaterThan(50);
      looked.resolve();
      await eventually(async () => (await now()).lag.events === 0);
      await slow.stop(true);
    },
    60_000,
  );

  test("batch sends several events of a feed a request, filtered by type and prefix", async () => {
    const server = await startWithFeed();
    const hook = startReceiver();
    const all = startReceiver();
    await append(server, "user-1", 10);
    await append(server, "user-1", 2, "Other");
    await append(server, "other-1", 5);
    await append(server, "user-2", 10);
    await subscribe(server, hook, {
      source: "/feeds/counts/v1",
      types: ["Counted"],
      subjectPrefix: "user-",
      mode: "batch",
      batch: { events: 7 },
    });
    await subscribe(server, all, { mode: "batch", batch: { events: 1_000, bytes: 1 } });
    await eventually(() => hook.taken().length >= 20 && all.taken().length >= 27);
    expect(hook.requests.every(({ events }) => events.length <= 7)).toBe(true);
    expect(hook.requests.some(({ events }) => events.length > 1)).toBe(true);
    for (const subject of ["user-1", "user-2"]) {
      const versions = Array.from({ length: 10 }, (_, n) => `${subject}@${n + 1}`);
      expect(ofSubject(hook.taken(), subject)).toEqual(versions);
    }
    expect(hook.taken()).toHaveLength(20);
    expect(
      hook.requests.flatMap(({ events }) => events.map(({ source, data }) => ({ source, data })))[0],
    ).toEqual({
      source: "/feeds/counts/v1",
      data: { count: 1 },
    });
    // One is larger than the bytes: it goes alone.
    expect(all.requests.every(({ events }) => events.length === 1)).toBe(true);
  });

  test("doorbell: rings only for the latest event, and not for one that is not selected", async () => {
    const server = await startWithFeed();
    const hook = startReceiver();
    await append(server, "a", 50);
    const doorbell = await subscribe(server, hook, { source: "/feeds/counts/v1", mode: "doorbell" });
    const heads = () =>
      hook.requests.flatMap(({ events }) => events.map(({ data }) => (data as { head: number }).head));
    await eventually(() => heads().at(-1) === 50);
    expect(hook.requests.at(-1)).toMatchObject({
      webhookId: expect.stringMatching(
        new RegExp(`^${doorbell.subscription}_head_50_[0-9a-f]{16}$`),
      ) as string,
    });
    expect(hook.requests.at(-1)?.events).toMatchObject([
      { type: "kilde.doorbell", source: "/feeds/counts/v1" },
    ]);
    await append(server, "a", 2);
    await eventually(() => heads().at(-1) === 52);
    expect(heads()).toEqual(heads().toSorted((a, b) => a - b));
    await eventually(async () => (await doorbell.now()).cursor === 52);
  });
});

test("a rate that the endpoint allowed is kept", async () => {
  const server = await startServer();
  const hook = startReceiver();
  const allowing = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request) {
      return request.method === "OPTIONS"
        ? consent(request, { origins: "*", ratePerMinute: 120 })
        : fetch(hook.url, { method: "POST", body: request.body, headers: request.headers });
    },
  });
  await append(server, "a");
  for (const subject of ["b", "c", "d"]) await append(server, subject);
  const made = await post(server, "/subscriptions", {
    source: "/events",
    url: `http://127.0.0.1:${allowing.port}/`,
    start: "beginning",
    handshake: { origin: "kilde.example.org" },
  });
  hook.secrets = [made.secret];
  interface Attempt {
    /** When it ended. */
    readonly time: string;
    readonly durationMs: number;
  }
  // By the sender's times: a busy machine has a request arrive late, and so nearer to the next.
  const sent = await eventually(async () => {
    const path = `/subscriptions/${made.subscription}/attempts`;
    const { attempts } = await call<{ attempts: Attempt[] }>(server, path);
    return attempts.length === 4 && attempts.map(({ time, durationMs }) => Date.parse(time) - durationMs);
  });
  const starts = sent.toSorted((a, b) => a - b);
  const gaps = starts.slice(1).map((start, index) => start - (starts[index] ?? 0));
  expect(Math.min(...gaps)).toBeGreaterThan(100);
  expect(gaps.reduce((sum, gap) => sum + gap, 0)).toBeGreaterThan(1_200);
  await allowing.stop(true);
});
