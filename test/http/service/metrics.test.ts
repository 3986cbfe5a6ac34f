import { afterEach, beforeEach, expect, test } from "bun:test";

import { jsonPost, openApp, takeEvents, type TestApp } from "../../support/app.ts";

let app: TestApp;
beforeEach(async () => {
  app = await openApp();
});
afterEach(() => app.close());

async function sampleLines(): Promise<string[]> {
  const text = await (await app.fetch("/metrics")).text();
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

const requests = (method: string, route: string, status: number) =>
  `kilde_http_request_duration_seconds_count{method="${method}",route="${route}",status="${status}"}`;

test("requests count by method, route and status, whichever way answers them", async () => {
  await app.append("a b", { type: "A" });
  await app.append("c", { type: "A" });
  await app.fetch("/streams/c", jsonPost({ events: [] }));
  await app.fetch("/events");
  await app.fetch("/events", { method: "HEAD" });
  await app.fetch("/feeds/none/v1");
  await app.fetch("/nothing/here");
  await app.fetch("/nor/there", { method: "PROPFIND" });
  const lines = await sampleLines();
  expect(lines).toContain(`${requests("POST", "/streams/{stream}", 201)} 2`);
  expect(lines).toContain(`${requests("POST", "/streams/{stream}", 422)} 1`);
  expect(lines).toContain(`${requests("GET", "/events", 200)} 1`);
  expect(lines).toContain(`${requests("HEAD", "/events", 200)} 1`);
  expect(lines).toContain(`${requests("GET", "/feeds/{feed}/v{version}", 404)} 1`);
  expect(lines).toContain(`${requests("GET", "none", 404)} 1`);
  expect(lines).toContain(`${requests("other", "none", 404)} 1`);
});

test("the buckets of a histogram add up to its count, and grow with their bound", async () => {
  for (let count = 0; count < 5; count += 1) await app.append("a", { type: "A" });
  const lines = await sampleLines();
  const buckets = lines.flatMap((line) => {
    const [, bound, count] = /^kilde_commit_duration_seconds_bucket\{le="([^"]+)"\} (\d+)$/.exec(line) ?? [];
    return bound === undefined ? [] : [[bound === "+Inf" ? Infinity : Number(bound), Number(count)] as const];
  });
  expect(buckets.length).toBeGreaterThan(10);
  expect(buckets).toEqual(buckets.toSorted(([one], [other]) => one - other));
  expect(buckets).toEqual(buckets.toSorted(([, one], [, other]) => one - other));
  expect(buckets.at(-1)).toEqual([Infinity, 5]);
  expect(lines).toContain("kilde_commit_duration_seconds_count 5");
  expect(lines).toContain("kilde_commit_events_sum 5");
});

test("appends count by outcome, each repeated one as a replay", async () => {
  await app.append("a", { type: "A" });
  const keyed = jsonPost({ events: [{ type: "A" }] }, { "idempotency-key": "k" });
  await app.fetch("/streams/b", keyed);
  await app.fetch("/streams/b", keyed);
  await app.fetch("/streams/b", jsonPost({ events: [{ type: "B" }] }, { "idempotency-key": "k" }));
  await app.fetch("/streams/a", jsonPost({ events: [{ type: "A" }], expectedVersion: 7 }));
  const lines = await sampleLines();
  const outcomes = {
    appended: 2,
    replayed: 1,
    "version-conflict": 1,
    "idempotency-key-reused": 1,
    failed: 0,
  };
  for (const [outcome, count] of Object.entries(outcomes))
    expect(lines).toContain(`kilde_appends_total{outcome="${outcome}"} ${count}`);
});

test("appends that wait beyond the limit count as failed, once each", async () => {
  await app.close();
  app = await openApp({ limits: { waitingAppends: 2 } });
  const answers = await Promise.all(
    Array.from({ length: 8 }, (_, index) =>
      app.fetch(`/streams/s-${index}`, jsonPost({ events: [{ type: "A" }] })),
    ),
  );
  const failed = answers.filter(({ status }) => status === 503).length;
  expect(failed).toBeGreaterThan(0);
  const lines = await sampleLines();
  expect(lines).toContain(`kilde_appends_total{outcome="failed"} ${failed}`);
  expect(lines).toContain(`kilde_appends_total{outcome="appended"} ${8 - failed}`);
});

test("events sent count by log and transport, whichever way they were asked for", async () => {
  for (let count = 0; count < 3; count += 1) await app.append("a", { type: "A" });
  await app.get("/events");
  await app.get("/streams/a");
  await app.fetch("/events", { method: "HEAD" });
  const page = await app.fetch("/events");
  await app.fetch("/events", { headers: { "if-none-match": page.headers.get("etag") ?? "" } });
  const stream = await app.fetch("/events", { headers: { accept: "text/event-stream" } });
  expect(await takeEvents(stream, 3)).toHaveLength(3);
  const lines = await sampleLines();
  expect(lines).toContain('kilde_events_sent_total{log="/events",transport="page"} 9');
  expect(lines).toContain('kilde_events_sent_total{log="/events",transport="stream"} 3');
});

test("a commit of a consumer measures the time since the append, once for each advance", async () => {
  await app.append("a", { type: "A" });
  await app.append("a", { type: "A" });
  const commit = (position: number, rewind = false) =>
    app.fetch("/events/consumers/cards", {
      ...jsonPost({ position, rewind }),
      method: "PUT",
    });
  const measured = async () =>
    (await sampleLines()).find((line) => line.startsWith("kilde_append_to_committed_seconds_count"));
  expect((await commit(1)).status).toBe(200);
  await commit(1);
  expect(await measured()).toBe('kilde_append_to_committed_seconds_count{source="/events"} 1');
  await commit(2);
  await commit(1, true);
  expect(await measured()).toBe('kilde_append_to_committed_seconds_count{source="/events"} 2');
});
