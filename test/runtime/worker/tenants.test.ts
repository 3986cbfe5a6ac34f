import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { createWorker } from "../../../src/worker.ts";
import { jsonPost, type Problem, type WireEvent } from "../../support/app.ts";
import { eventually } from "../../support/eventually.ts";
import { startFaultyProxy } from "../../support/faulty-proxy.ts";
import { hasSqld, startSqld, type Sqld } from "../../support/sqld.ts";
import { type RunningWorker, startWorker, WORKER_FEEDS } from "../../support/worker.ts";

setDefaultTimeout(60_000);

test("a worker whose tenants have files fails when it is deployed", () => {
  const tenants = [{ name: "a", path: "/a", databaseUrl: "file:a.db" }];
  expect(() => createWorker({ tenants })).toThrow(
    /tenants.0.databaseUrl: "file:a.db" cannot be used by a worker/,
  );
});

test("problems of a tenant whose database is away are below the tenant's path", async () => {
  const tenants = [{ name: "a", path: "/a", databaseUrl: "http://127.0.0.1:1" }];
  const env = { KILDE_LOG_LEVEL: "silent", KILDE_OPEN: "true" };
  const response = await createWorker({ tenants }, { env }).fetch(new Request("http://kilde.test/a/events"));
  expect(await response.json()).toMatchObject({
    type: "/a/problems/storage-unavailable",
    instance: "/a/events",
  });
});

describe.skipIf(!hasSqld)("tenants of a worker", () => {
  const servers: Sqld[] = [];
  let worker: RunningWorker;
  let away = false;
  const tenants = () => {
    const [a = "", b = ""] = servers.map(({ url }) => url);
    const faulty = startFaultyProxy(b, () => (away ? "lost" : "through"));
    return [
      { name: "shop-a", path: "/shop-a", databaseUrl: a },
      { name: "shop-b", host: "shop-b.example", databaseUrl: faulty.url },
    ];
  };
  beforeAll(async () => {
    servers.push(await startSqld(), await startSqld());
    worker = await startWorker({
      databaseUrl: null,
      tenants: tenants(),
      config: WORKER_FEEDS,
      options: { afterRequestMs: 0, scheduledMs: 4_000 },
      env: { KILDE_LOG_LEVEL: "silent" },
    });
  });
  afterAll(async () => {
    await worker.stop();
    for (const server of servers) await server.stop();
  });

  const inA = (path: string, init?: RequestInit) => worker.fetch(`/shop-a${path}`, init);
  const inB = (path: string, { headers, ...init }: RequestInit = {}) =>
    worker.fetch(path, {
      ...init,
      headers: { ...(headers as Record<string, string>), host: "shop-b.example" },
    });
  const added = (n: number) => jsonPost({ events: [{ type: "Added", data: { n } }] });
  const events = async (response: Response) =>
    ((await response.json()) as WireEvent[]).map(({ data }) => data);

  test("are each in their own database, by path and by host", async () => {
    const appended = await inA("/streams/count-1", added(1));
    expect([appended.status, appended.headers.get("location")]).toEqual([201, "/shop-a/streams/count-1"]);
    expect((await inB("/streams/count-1", added(10))).headers.get("location")).toBe("/streams/count-1");
    expect(await events(await inA("/events"))).toEqual([{ n: 1 }]);
    expect(await events(await inB("/events"))).toEqual([{ n: 10 }]);
  });

  test("a request without a tenant is refused", async () => {
    for (const path of ["/events", "/ready", "/metrics", "/health"]) {
      const response = await worker.fetch(path);
      expect([path, response.status]).toEqual([path, 404]);
      expect(((await response.json()) as Problem).type).toBe("/problems/tenant-not-found");
    }
  });

  test("the schedule works for all, also while one's database is away", async () => {
    await inA("/streams/count-2", added(2));
    await inB("/streams/count-2", added(20));
    away = true;
    expect((await inB("/events")).status).toBe(503);
    expect((await inA("/events")).status).toBe(200);
    await worker.scheduled();
    const sums = async (response: Response) => (await events(response)).at(-1);
    expect(await sums(await inA("/feeds/sums/v1"))).toEqual({ n: 2, sum: 2 });
    away = false;
    expect(await events(await inB("/feeds/sums/v1"))).toEqual([]);
    // On a busy machine the time of a call can end before the last tenant's turn.
    await eventually(async () => {
      await worker.scheduled();
      return Bun.deepEquals(await sums(await inB("/feeds/sums/v1")), { n: 20, sum: 20 });
    });
  });
});
