import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { createWorker } from "../../../src/worker.ts";
import { eventually } from "../../support/eventually.ts";
import { jsonPost, takeEvents, TEST_SECRET_KEY, type WireEvent } from "../../support/app.ts";
import { startFaultyProxy } from "../../support/faulty-proxy.ts";
import { hasSqld, startReplica, startSqld, type Sqld } from "../../support/sqld.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { documentedText } from "../../support/markdown.ts";
import {
  bundleWorker,
  deployedBundle,
  type RunningWorker,
  startWorker,
  WORKER_FEEDS,
} from "../../support/worker.ts";

setDefaultTimeout(60_000);

test("the example, deployed as documented, is as small as the documentation states", async () => {
  const stated = documentedText().flatMap(({ text }) => [
    ...text.matchAll(/the example is below (\d+) KiB/g),
  ]);
  const folder = mkdtempSync(join(tmpdir(), "kilde-worker-"));
  try {
    const { length } = Bun.gzipSync(new Uint8Array(await deployedBundle(folder)));
    expect(stated.map(([, kib]) => length < Number(kib) * 1024)).toEqual([true]);
    // The statement is no more generous than it has to be.
    expect(stated.map(([, kib]) => length > Number(kib) * 1024 * 0.85)).toEqual([true]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the example's bundle needs but one module of Node's, which workers have", async () => {
  const bundle = await bundleWorker(join(import.meta.dir, "../../examples/worker/worker.ts"));
  const imports = new Bun.Transpiler({ loader: "js" }).scanImports(bundle).map(({ path }) => path);
  expect(new Set(imports)).toEqual(new Set(["node:crypto"]));
});

test("an invalid configuration fails when the worker is deployed", () => {
  expect(() => createWorker({ limits: { eventBytes: -1 } })).toThrow(/limits.eventBytes/);
  const definition = { name: "Not a name", version: 0, events: {}, contract: {}, publish: {} };
  expect(() => createWorker({ feeds: [definition] })).toThrow(/name/);
});

test("a path that is not in its one form is refused before a worker opens its database", async () => {
  const worker = createWorker({}, { env: {} });
  for (const path of ["/streams/%zz", "/streams/%C0%AF", "//events", "/streams/a%2F..%2Fb", "/%73treams/a"]) {
    const answer = await worker.fetch(new Request(`https://kilde.example${path}`));
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ type: "/problems/invalid-target" });
  }
});

describe.skipIf(!hasSqld)("a worker in workerd", () => {
  let sqld: Sqld;
  let worker: RunningWorker;
  beforeAll(async () => {
    sqld = await startSqld();
    worker = await startWorker({ databaseUrl: sqld.url, config: WORKER_FEEDS });
  });
  afterAll(async () => {
    await worker.stop();
    await sqld.stop();
  });

  const get = async <Body = WireEvent[]>(path: string) => {
    const response = await worker.fetch(path);
    if (response.status !== 200) throw new Error(`${response.status}: ${await response.text()}`);
    return (await response.json()) as Body;
  };
  const append = (stream: string, ...ns: number[]) =>
    worker.fetch(`/streams/${stream}`, jsonPost({ events: ns.map((n) => ({ type: "Added", data: { n } })) }));

  test("a body above 4 MiB is refused unless the limit is raised: an isolate has little memory", async () => {
    const events = Array.from({ length: 5 }, () => ({ type: "T", data: "x".repeat(900_000) }));
    const refused = await worker.fetch("/streams/large", jsonPost({ events }));
    expect(refused.status).toBe(413);
    expect(await refused.json()).toMatchObject({ limit: "bodyBytes" });
  });

  test("requests at once are each answered, and none hangs with another", async () => {
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        n % 4 === 0 ? worker.fetch("/events") : append(`stream-${n}`, n),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual(
      Array.from({ length: 40 }, (_, n) => (n % 4 === 0 ? 200 : 201)),
    );
    const events = await get("/events");
    expect(events.map(({ id }) => Number(id))).toEqual(Array.from({ length: 30 }, (_, n) => n + 1));
  });

  test("a follower receives later events, and a cancelled request does not affect others", async () => {
    const after = (await get("/events")).length;
    const live = await worker.fetch(`/events?lastEventId=${after}`, {
      headers: { accept: "text/event-stream" },
    });
    const leaving = new AbortController();
    const left = worker
      .fetch(`/events?lastEventId=${after}&timeout=30000`, { signal: leaving.signal })
      .catch(() => "left");
    const polled = get(`/events?lastEventId=${after}&timeout=30000`);
    leaving.abort();
    expect(await left).toBe("left");
    expect((await append("followed", 1)).status).toBe(201);
    expect(await polled).toMatchObject([{ subject: "followed" }]);
    expect(await takeEvents(live, 1)).toMatchObject([{ data: { subject: "followed" } }]);
  });

  test("webhooks are delivered after the request that had events appended", async () => {
    const received: WireEvent[] = [];
    const receiver = Bun.serve({
      port: 0,
      async fetch(request) {
        received.push((await request.json()) as WireEvent);
        return new Response(null, { status: 204 });
      },
    });
    const delivering = await startWorker({
      databaseUrl: sqld.url,
      env: { KILDE_SECRET_KEYS: TEST_SECRET_KEY, KILDE_EGRESS_ALLOW: "127.0.0.1" },
    });
    const url = `http://127.0.0.1:${receiver.port}/`;
    const made = await delivering.fetch("/subscriptions", jsonPost({ source: "/events", url }));
    expect(made.status).toBe(201);
    const { subscription } = (await made.json()) as { readonly subscription: string };
    const events = [1, 2, 3].map((n) => ({ type: "Added", data: { n } }));
    await delivering.fetch("/streams/delivered", jsonPost({ events }));
    await eventually(() => received.length >= 3);
    expect(received.map(({ subject, data }) => [subject, data])).toEqual(
      [1, 2, 3].map((n) => ["delivered", { n }]),
    );
    // The workers of other tests have no key for its secret.
    const removed = await delivering.fetch(`/subscriptions/${subscription}`, { method: "DELETE" });
    expect(removed.status).toBe(204);
    await delivering.stop();
    await receiver.stop(true);
  });

  test("a follower that names itself is seen while it follows", async () => {
    const live = await worker.fetch("/events", {
      headers: { accept: "text/event-stream", "kilde-consumer": "cards" },
    });
    const reader = live.body?.getReader();
    await reader?.read();
    await reader?.read();
    const path = "/events/consumers/cards";
    await eventually(async () => (await worker.fetch(path)).status !== 404);
    expect(await get<object>(path)).toMatchObject({ active: true });
    await reader?.cancel();
  });

  test("appended events are projected after the answer, also into a feed of a feed", async () => {
    await append("count-1", 1, 2, 3);
    const copies = await get("/feeds/copies/v1?timeout=30000");
    expect(copies.map(({ data }) => data)).toEqual([{ sum: 1 }, { sum: 3 }, { sum: 6 }]);
  });

  test("the schedule projects what nobody did after an answer", async () => {
    const quiet = await startWorker({
      databaseUrl: sqld.url,
      config: WORKER_FEEDS,
      options: { afterRequestMs: 0 },
    });
    const before = (await get("/feeds/sums/v1")).length;
    await quiet.fetch("/streams/count-2", jsonPost({ events: [{ type: "Added", data: { n: 5 } }] }));
    expect(await get("/feeds/sums/v1")).toHaveLength(before);
    await quiet.scheduled();
    expect((await get("/feeds/sums/v1")).at(-1)).toMatchObject({
      subject: "count-2",
      data: { n: 5, sum: 5 },
    });
    await quiet.stop();
  });

  test("an append whose client leaves holds up nobody, and is written or not", async () => {
    const leave = async (n: number) => {
      const leaving = new AbortController();
      const left = worker
        .fetch("/streams/left", { ...jsonPost({ events: [{ type: "T", data: n }] }), signal: leaving.signal })
        .catch(() => null);
      await Bun.sleep(n % 5);
      leaving.abort();
      await left;
    };
    await Promise.all(Array.from({ length: 20 }, (_, n) => leave(n)));
    expect((await append("stays", 1)).status).toBe(201);
    const sequences = (await get("/streams/left?timeout=1")).map(({ sequence }) => Number(sequence));
    expect(sequences).toEqual(sequences.map((_, index) => index + 1));
  });

  test("a database that is away is a failure that may pass: 503, and then it is there", async () => {
    let away = true;
    const proxy = startFaultyProxy(sqld.url, () => (away ? "lost" : "through"));
    const cut = await startWorker({ databaseUrl: proxy.url, env: { KILDE_LOG_LEVEL: "silent" } });
    const refused = await cut.fetch("/events");
    expect([refused.status, refused.headers.get("content-type")]).toEqual([503, "application/problem+json"]);
    away = false;
    expect((await cut.fetch("/events")).status).toBe(200);
    await cut.stop();
    await proxy.stop();
  });

  test("an invocation that has few calls of the database sends followers away, who come again", async () => {
    const scarce = await startWorker({
      databaseUrl: sqld.url,
      env: { KILDE_POLL_INTERVAL_MS: "10" },
      options: { databaseCalls: 30 },
    });
    const head = (await get("/events?limit=10000")).length;
    const live = await scarce.fetch(`/events?lastEventId=${head}`, {
      headers: { accept: "text/event-stream" },
    });
    expect(await takeEvents(live, 1)).toEqual([]);
    const polled = await scarce.fetch(`/events?lastEventId=${head}&timeout=60000`);
    expect([polled.status, await polled.json()]).toEqual([200, []]);
    await scarce.stop();
  });

  test("reads go to a replica, and wait for what they show", async () => {
    const network = await startTcpProxy(sqld.grpcUrl);
    const replica = await startReplica(network.url);
    const reading = await startWorker({
      databaseUrl: sqld.url,
      config: WORKER_FEEDS,
      env: { KILDE_READ_URL: replica.url, KILDE_LIMIT_REPLICA_WAIT_MS: "500" },
    });
    const appendOne = async () => {
      const events = [{ type: "Added", data: { n: 1 } }];
      const response = await reading.fetch("/streams/count-replicated", jsonPost({ events }));
      return { "kilde-position": response.headers.get("kilde-position") ?? "" };
    };
    const read = (headers = {}) => reading.fetch("/streams/count-replicated", { headers });
    expect((await read(await appendOne())).headers.get("etag")).toStartWith('"1-');
    // At its very beginning a replica passes reads on to its primary.
    await Bun.sleep(1_000);
    network.set({ kind: "frozen" });
    const headers = await appendOne();
    expect((await read()).headers.get("etag")).toStartWith('"1-');
    const refused = await read(headers);
    expect(refused.status).toBe(503);
    expect(await refused.json()).toMatchObject({ type: "/problems/replica-behind" });
    const subject = await reading.fetch("/feeds/sums/v1/subjects/count-replicated");
    expect(await subject.json()).toHaveLength(2);
    const live = await reading.fetch(`/events?lastEventId=${headers["kilde-position"]}`, {
      headers: { accept: "text/event-stream" },
    });
    network.set({ kind: "fine" });
    let answer = await read(headers);
    for (let turn = 0; answer.status === 503 && turn < 20; turn += 1) answer = await read(headers);
    expect(answer.headers.get("etag")).toStartWith('"2-');
    await appendOne();
    expect(await takeEvents(live, 1)).toMatchObject([{ data: { subject: "count-replicated" } }]);
    await reading.stop();
    await replica.stop();
    await network.stop();
  });

  test("invalid settings are reported in the log, and the caller learns only that the request failed", async () => {
    for (const wrong of [
      { databaseUrl: "file:kilde.db" },
      { databaseUrl: sqld.url, env: { KILDE_OPEN: "perhaps" } },
      { databaseUrl: sqld.url, env: { KILDE_LIMIT_EVENT_BYTES: "many" } },
    ]) {
      const broken = await startWorker({ ...wrong, quiet: true });
      const response = await broken.fetch("/events");
      expect([response.status, response.headers.get("content-type")]).toEqual([
        500,
        "application/problem+json",
      ]);
      expect(await response.text()).not.toMatch(/kilde\.db|perhaps|many/i);
      await broken.stop();
    }
  });
});
