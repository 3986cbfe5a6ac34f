import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";

import { createWorker } from "../../../src/worker.ts";
import { jsonPost } from "../../support/app.ts";
import { createOfflineKey } from "../../support/offline-keys.ts";
import { hasSqld, type Sqld, startSqld } from "../../support/sqld.ts";
import { eventually } from "../../support/eventually.ts";
import { type RunningWorker, startWorker } from "../../support/worker.ts";

setDefaultTimeout(60_000);

const APPEND = jsonPost({ events: [{ type: "Opened" }] });

/** The statuses of /health, /ready, a read and an append. */
async function statuses(worker: Pick<RunningWorker, "fetch">, token?: string, below = ""): Promise<number[]> {
  const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
  const found: number[] = [];
  for (const [path, init] of [
    ["/health", {}],
    ["/ready", {}],
    ["/events", {}],
    ["/streams/a", APPEND],
  ] as const) {
    const sent = { "Content-Type": "application/json", ...headers };
    const response = await worker.fetch(below + path, { ...init, headers: sent });
    await response.arrayBuffer();
    found.push(response.status);
  }
  return found;
}

describe.skipIf(!hasSqld)("who may call a worker", () => {
  const servers: Sqld[] = [];
  const workers: RunningWorker[] = [];
  const database = async () => {
    const server = await startSqld();
    servers.push(server);
    return server.url;
  };
  afterAll(async () => {
    for (const worker of workers) await worker.stop();
    for (const server of servers) await server.stop();
  });
  const start = async (worker: Parameters<typeof startWorker>[0]) => {
    const started = await startWorker(worker);
    workers.push(started);
    return started;
  };

  test("without a key it answers /health alone, and from the first key on those who have one", async () => {
    const databaseUrl = await database();
    const worker = await start({ databaseUrl, env: { KILDE_OPEN: "false" } });
    expect(await statuses(worker)).toEqual([200, 403, 403, 403]);
    expect(await statuses(worker, "any")).toEqual([200, 403, 403, 403]);
    const key = await createOfflineKey(databaseUrl);
    await eventually(async () => (await statuses(worker))[2] === 401);
    expect(await statuses(worker)).toEqual([200, 200, 401, 401]);
    expect(await statuses(worker, key.token)).toEqual([200, 200, 200, 201]);
    await key.revoke();
    await eventually(async () => (await statuses(worker, key.token))[2] === 401);
    expect(await statuses(worker)).toEqual([200, 200, 401, 401]);
  });

  test("asked to be open, it is, until the first key; then `open` has no effect", async () => {
    const databaseUrl = await database();
    const worker = await start({ databaseUrl });
    expect(await statuses(worker)).toEqual([200, 200, 200, 201]);
    const key = await createOfflineKey(databaseUrl);
    await eventually(async () => (await statuses(worker))[2] === 401);
    expect(await statuses(worker, key.token)).toEqual([200, 200, 200, 201]);
  });

  test("the key of one tenant means nothing to another, and nobody learns which tenants there are", async () => {
    const [a, b] = [await database(), await database()];
    const tenants = [
      { name: "a", path: "/a", databaseUrl: a },
      { name: "b", path: "/b", databaseUrl: b },
    ];
    const worker = await start({ databaseUrl: null, tenants, env: { KILDE_OPEN: "false" } });
    const key = await createOfflineKey(a);
    expect(await statuses(worker, key.token, "/a")).toEqual([200, 200, 200, 201]);
    expect(await statuses(worker, key.token, "/b")).toEqual([200, 200, 401, 401]);
    for (const path of ["/c/events", "/events", "/A/events"])
      expect([path, (await worker.fetch(path)).status]).toEqual([path, 401]);
  });

  test("a key of one tenant closes the others too, also in isolates that have not served its tenant", async () => {
    const [a, b] = [await database(), await database()];
    const tenants = [
      { name: "a", path: "/a", databaseUrl: a },
      { name: "b", path: "/b", databaseUrl: b },
    ];
    const worker = await start({ databaseUrl: null, tenants });
    expect((await worker.fetch("/b/events")).status).toBe(200);
    await createOfflineKey(a);
    await eventually(async () => (await worker.fetch("/a/events")).status === 401);
    expect((await worker.fetch("/b/events")).status).toBe(401);
    await Bun.sleep(1_500);
    const fresh = await start({ databaseUrl: null, tenants });
    expect((await fresh.fetch("/b/events")).status).toBe(401);
  });

  test("failures of authentication are limited by the address that the platform states", async () => {
    const databaseUrl = await database();
    await createOfflineKey(databaseUrl);
    const worker = await start({ databaseUrl });
    const from = async (address: string) => {
      const headers = { Authorization: "Bearer wrong", "CF-Connecting-IP": address };
      return (await worker.fetch("/events", { headers })).status;
    };
    const found = new Set<number>();
    for (let n = 0; n < 40; n += 1) found.add(await from("192.0.2.7"));
    expect(found).toEqual(new Set([401, 429]));
    expect(await from("192.0.2.8")).toBe(401);
  });
});

test("settings of an address have no meaning for a worker, and are not refused", () => {
  const config = { host: "0.0.0.0", tlsCert: "server.pem" };
  expect(() => createWorker(config, { env: { KILDE_HOST: "0.0.0.0" } })).not.toThrow();
});
