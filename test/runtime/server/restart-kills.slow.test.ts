import { describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { type Database, integerAt, textAt } from "../../../src/storage/database.ts";
import { LEASE_MS, NOW } from "../../../src/storage/lease.ts";
import { openDatabase } from "../../../src/storage/open.ts";
import { serve, type Served } from "../../cli/support.ts";
import { eventually } from "../../support/eventually.ts";
import { jsonPost, TEST_SECRET_KEY } from "../../support/app.ts";
import { hasSqld } from "../../support/sqld.ts";
import { all, CONFIG } from "../../feeds/project/killed-projections.ts";
import { newDatabase } from "./servers.ts";

/*
 * A server that is killed and started again on the same machine continues before the leases of the killed process expire. A
 * process that is only stopped keeps them, and of several that start one takes them.
 */

const TIMEOUT_MS = 120_000;
const RESTARTS = 5;

/** Well before a lease of the killed process expires, also on a machine that has much to do. */
const CONTINUES_MS = LEASE_MS / 2;

/** By then it is stored that an event was delivered. */
const KEPT_MS = 300;

/** Longer than any lease that a process could still take for its own. */
const OVER_MS = 1_000;

/** Of two feeds and a subscription. */
const LEASES = 3;

const FEED = "/feeds/copies/v1";

interface Scene {
  readonly database: Database;
  /** The first server, which has all leases. */
  readonly first: Served;
  start(): Promise<Served>;
  /** Appends an event, and gives its id. */
  append(server: Served): Promise<string>;
  /** Resolves when the event has arrived at the receiver and in the feed, with how long each took. Default: since the server listens. */
  arrived(
    server: Served,
    id: string,
    sinceMs?: number,
  ): Promise<{ deliveredMs: number; projectedMs: number }>;
  /** How often each event was received, by its id. */
  readonly received: ReadonlyMap<string, number>;
}

interface HeldLease {
  readonly holder: string;
  readonly token: number;
  readonly takenMs: number;
  readonly expiresMs: number;
}

async function leases(database: Database): Promise<ReadonlyMap<string, HeldLease>> {
  const rows = await database.read({
    sql: `select name, holder, token, expires from leases where expires > ${NOW}`,
    args: [],
  });
  return new Map(
    rows.map((row) => {
      const expiresMs = integerAt(row, 3);
      const lease = { holder: textAt(row, 1), token: integerAt(row, 2), expiresMs };
      return [textAt(row, 0), { ...lease, takenMs: expiresMs - LEASE_MS }];
    }),
  );
}

async function inFeed({ url }: Served): Promise<string[]> {
  return (await all(url, FEED)).map(({ subject }) => subject);
}

/** Servers with two feeds and a subscription, on a new database. */
async function withScene(kind: "file" | "sqld", use: (scene: Scene) => Promise<void>): Promise<void> {
  const cwd = mkdtempSync(join(tmpdir(), "kilde-restarts-"));
  writeFileSync(join(cwd, "kilde.config.ts"), CONFIG);
  const { url: databaseUrl, stop } = await newDatabase(kind);
  const received = new Map<string, number>();
  const receiver = Bun.serve({
    port: 0,
    async fetch(request) {
      const { subject } = (await request.json()) as { subject: string };
      received.set(subject, (received.get(subject) ?? 0) + 1);
      return new Response(null, { status: 204 });
    },
  });
  const environment = {
    KILDE_DATABASE_URL: databaseUrl,
    KILDE_SECRET_KEYS: TEST_SECRET_KEY,
    KILDE_EGRESS_ALLOW: "127.0.0.1",
  };
  const servers = new Map<Served, number>();
  const start = async () => {
    const server = await serve(cwd, [], { environment });
    servers.set(server, performance.now());
    return server;
  };
  const first = await start();
  const database = openDatabase({ url: databaseUrl });
  let appended = 0;
  try {
    const subscription = { source: "/events", url: `http://127.0.0.1:${receiver.port}/`, start: "beginning" };
    const made = await fetch(`${first.url}/subscriptions`, jsonPost(subscription));
    expect(made.status).toBe(201);
    await use({
      database,
      first,
      start,
      received,
      async append({ url }) {
        const stream = `s-${(appended += 1)}`;
        const events = [{ type: "Added", data: { n: 1 } }];
        expect((await fetch(`${url}/streams/${stream}`, jsonPost({ events }))).status).toBe(201);
        return stream;
      },
      async arrived(server, id, sinceMs = servers.get(server) ?? 0) {
        const passedMs = () => Math.round(performance.now() - sinceMs);
        const [deliveredMs, projectedMs] = await Promise.all([
          eventually(() => (received.has(id) ? passedMs() : null)),
          eventually(async () => ((await inFeed(server)).includes(id) ? passedMs() : null)),
        ]);
        return { deliveredMs, projectedMs };
      },
    });
  } finally {
    await Promise.all([...servers.keys()].map((server) => server.stop("SIGKILL")));
    database.close();
    await receiver.stop(true);
    await stop();
    rmSync(cwd, { recursive: true, force: true });
  }
}

for (const kind of ["file", "sqld"] as const) {
  describe.skipIf(kind === "sqld" && !hasSqld)(`a server that is killed, on a ${kind}`, () => {
    test(
      "a restarted server projects and delivers before the leases of the killed one expire",
      async () => {
        await withScene(kind, async ({ first, start, append, arrived, received }) => {
          let server = first;
          for (let round = 0; round < RESTARTS; round += 1) {
            await arrived(server, await append(server));
            await Bun.sleep(KEPT_MS);
            // Half of the rounds leave an event behind.
            const left = round % 2 === 0 ? await append(server) : null;
            await server.stop("SIGKILL");
            server = await start();
            const times = await arrived(server, left ?? (await append(server)));
            console.log(
              `${kind}, ${left === null ? "a new event" : "one left behind"}: ${JSON.stringify(times)}`,
            );
            expect(times.deliveredMs).toBeLessThan(CONTINUES_MS);
            expect(times.projectedMs).toBeLessThan(CONTINUES_MS);
          }
          expect((await inFeed(server)).toSorted()).toEqual([...received.keys()].toSorted());
        });
      },
      TIMEOUT_MS,
    );

    test(
      "another server on the machine continues before the leases of the killed one expire",
      async () => {
        await withScene(kind, async ({ first, start, append, arrived, received }) => {
          let holder = first;
          for (let round = 0; round < RESTARTS; round += 1) {
            const other = await start();
            await arrived(holder, await append(holder));
            await Bun.sleep(KEPT_MS);
            const killedMs = performance.now();
            await holder.stop("SIGKILL");
            const times = await arrived(other, await append(other), killedMs);
            console.log(`${kind}, another server: ${JSON.stringify(times)}`);
            expect(times.deliveredMs).toBeLessThan(CONTINUES_MS);
            expect(times.projectedMs).toBeLessThan(CONTINUES_MS);
            holder = other;
          }
          expect((await inFeed(holder)).toSorted()).toEqual([...received.keys()].toSorted());
        });
      },
      TIMEOUT_MS,
    );

    test(
      "a stopped server keeps its leases until they expire, and does nothing when it continues",
      async () => {
        await withScene(kind, async ({ database, first, start, append, arrived, received }) => {
          await arrived(first, await append(first));
          await Bun.sleep(KEPT_MS);
          const before = await leases(database);
          expect(before.size).toBe(LEASES);
          process.kill(first.pid, "SIGSTOP");
          const second = await start();
          const id = await append(second);
          const taken = await eventually(async () => {
            const now = await leases(database);
            const hasChanged = [...now].filter(([name, { holder }]) => holder !== before.get(name)?.holder);
            return hasChanged.length === LEASES ? now : null;
          });
          for (const [name, { expiresMs }] of before) {
            // Renewals since only make it later.
            expect(taken.get(name)?.takenMs).toBeGreaterThanOrEqual(expiresMs);
          }
          await arrived(second, id);
          process.kill(first.pid, "SIGCONT");
          const ids = [await append(first), await append(second)];
          for (const other of ids) await arrived(second, other);
          await Bun.sleep(OVER_MS);
          for (const [name, { token }] of await leases(database))
            expect(token).toBe(taken.get(name)?.token ?? 0);
          expect([...received.values()]).toEqual([...received].map(() => 1));
          expect((await inFeed(second)).toSorted()).toEqual([...received.keys()].toSorted());
        });
      },
      TIMEOUT_MS,
    );

    test(
      "a server that ends in order releases its leases at once",
      async () => {
        await withScene(kind, async ({ database, first, start, append, arrived }) => {
          await arrived(first, await append(first));
          expect((await leases(database)).size).toBe(LEASES);
          await first.stop("SIGTERM");
          expect((await leases(database)).size).toBe(0);
          const next = await start();
          const times = await arrived(next, await append(next));
          console.log(`${kind}, after SIGTERM: ${JSON.stringify(times)}`);
          expect(times.deliveredMs).toBeLessThan(CONTINUES_MS);
          expect(times.projectedMs).toBeLessThan(CONTINUES_MS);
        });
      },
      TIMEOUT_MS,
    );

    test(
      "one of several servers that start at once takes the leases of the killed one",
      async () => {
        await withScene(kind, async ({ database, first, start, append, arrived, received }) => {
          await arrived(first, await append(first));
          await Bun.sleep(KEPT_MS);
          const before = await leases(database);
          await first.stop("SIGKILL");
          const started = await Promise.all([start(), start(), start()]);
          const ids = await Promise.all(started.map((server) => append(server)));
          for (const id of ids) {
            const times = await arrived(started[0], id);
            console.log(`${kind}, three servers: ${JSON.stringify(times)}`);
            expect(times.deliveredMs).toBeLessThan(CONTINUES_MS);
            expect(times.projectedMs).toBeLessThan(CONTINUES_MS);
          }
          await Bun.sleep(OVER_MS);
          const after = await leases(database);
          expect(after.size).toBe(LEASES);
          // Each change of a holder takes the next token of all leases, so none has changed hands twice.
          const last = Math.max(...[...before.values()].map(({ token }) => token));
          const tokens = [...after.values()].map(({ token }) => token - last).toSorted((a, b) => a - b);
          expect(tokens).toEqual(Array.from({ length: LEASES }, (_, index) => index + 1));
          expect([...received.values()]).toEqual([...received].map(() => 1));
          expect((await inFeed(started[0])).toSorted()).toEqual([...received.keys()].toSorted());
        });
      },
      TIMEOUT_MS,
    );
  });
}
