import { describe, expect, test } from "bun:test";
import { tmpdir } from "node:os";

import { serve } from "../cli/support.ts";
import { eventually } from "../support/eventually.ts";
import { jsonPost } from "../support/app.ts";
import { hasSqld, startReplica, startSqld } from "../support/sqld.ts";
import { startFollowing, startOwnReader } from "../runtime/server/faults/readers.ts";
import { ask, isReady, under } from "../runtime/server/faults/scene.ts";
import { startServer } from "../runtime/server/servers.ts";

/*
 * A server reads from a replica of its libSQL server, beside servers that do not. Under load the replica lags, loses
 * its connection, is killed and is recreated; every guarantee must hold (`verify`).
 */

const TIMEOUT_MS = 240_000;

/** The default of `limits.replicaWaitMs`, plus the delay of a busy machine. */
const WAIT_MS = 2_000;
const SLACK_MS = 3_000;

const PATIENCE = { withinMs: 60_000, pollMs: 20 };

describe.skipIf(!hasSqld)("a server that reads from a replica", () => {
  test(
    "keeps every guarantee while the replica lags, is cut off, is killed and is recreated",
    () =>
      under({ seed: 20 }, async ({ cluster, load, leader, other, ask: askOnly }) => {
        const replica = await cluster.startReplica();
        const reader = await cluster.start({ replica });
        await eventually(async () => (await ask(reader, "/events?limit=1")).status === 200, PATIENCE);
        let turn = 0;
        const anyNode = () => (turn++ % 2 === 0 ? reader : other);
        const followings = [
          ...["/events", "/feeds/sums/v1", "/feeds/copies/v1"].flatMap((path) => [
            startFollowing(() => reader, path, "event-stream"),
            startFollowing(() => reader, path, "long-poll"),
          ]),
          // Alternates between two servers, one of which may lag.
          startFollowing(anyNode, "/events", "pages"),
          startFollowing(anyNode, "/feeds/sums/v1", "event-stream"),
        ];
        const more = (count: () => number, many: number) => {
          const wanted = count() + many;
          return eventually(() => count() >= wanted, PATIENCE);
        };
        const headOf = async (path: string, node = leader) => {
          const response = await node.fetch(`${path}?limit=1&direction=backwards`);
          return Number(response.headers.get("kilde-head"));
        };
        const shown = (position: number) => ({ headers: { "Kilde-Position": String(position) } });

        await load.progress(300);
        // On a busy machine a replica applies no more than the load appends, so the load pauses where it must catch up.
        askOnly([]);
        await eventually(
          async () => (await headOf("/events", reader)) >= (await headOf("/events")),
          PATIENCE,
        );
        const own = startOwnReader(reader, load);
        const caughtUp = async () => {
          askOnly([]);
          await more(own.found, 10);
          askOnly(cluster.nodes);
        };
        await more(own.found, 20);
        expect(own.behind()).toBe(0);

        replica.network.set({ kind: "slow", answerMs: 300 });
        await more(own.found, 10);
        expect(own.behind()).toBe(0);
        askOnly(cluster.nodes);

        replica.network.set({ kind: "frozen" });
        await more(own.behind, 1);
        const seen = { type: "Added", data: { id: "seen", n: 1 } };
        const appended = await ask(reader, "/streams/seen", jsonPost({ events: [seen] }));
        expect(appended.status).toBe(201);
        const { position } = appended.body as { position: number };
        load.acknowledged.push({ id: "seen", stream: "seen", version: 1, position });
        const refused = await ask(reader, "/events?limit=1", shown(position));
        expect(refused).toMatchObject({ status: 503, body: { type: "/problems/replica-behind", position } });
        expect(refused.waitedMs).toBeLessThan(WAIT_MS + SLACK_MS);
        expect((await ask(reader, "/streams/seen")).body).toMatchObject({ type: "/problems/replica-behind" });
        expect((await ask(reader, `/events?lastEventId=${position}`)).body).toEqual([]);
        expect((await ask(reader, "/events?limit=1")).status).toBe(200);
        expect((await ask(other, "/events?limit=1", shown(position))).status).toBe(200);
        expect((await ask(reader, "/events?limit=1", shown(position + 1_000_000))).status).toBe(400);
        expect(await isReady(reader)()).toBe(true);
        // A subject of a feed is complete nevertheless.
        const stream = load.acknowledged.at(-2)?.stream ?? "";
        const complete = await ask(reader, `/feeds/sums/v1/subjects/${stream}`);
        const source = await ask(leader, `/streams/${stream}`);
        expect((complete.body as unknown[]).length).toBeGreaterThanOrEqual(1);
        expect((source.body as unknown[]).length).toBeGreaterThanOrEqual((complete.body as unknown[]).length);
        await load.progress(100);

        replica.network.set({ kind: "fine" });
        await caughtUp();

        replica.network.set({ kind: "refusing" });
        await more(own.behind, 1);
        replica.network.set({ kind: "fine" });
        await caughtUp();

        for (const fresh of [false, true]) {
          await replica.sqld.restart({ fresh });
          await caughtUp();
        }
        await cluster.sqld.restart();
        await caughtUp();

        await own.stop();
        expect(own.wrong).toEqual([]);
        askOnly([]);
        const heads = new Map<string, number>();
        for (const path of ["/events", "/feeds/sums/v1", "/feeds/copies/v1"])
          heads.set(path, await headOf(path));
        for (const following of followings) {
          const head = heads.get(following.path) ?? 0;
          expect(head).toBeGreaterThan(0);
          await eventually(() => following.last() >= head, PATIENCE);
          await following.stop();
          expect(following.wrong).toEqual([]);
        }
        askOnly(cluster.nodes);
        console.log(
          JSON.stringify({
            found: own.found(),
            behind: own.behind(),
            failed: own.failed(),
            reconnected: followings.map((each) => each.failures()),
          }),
        );
      }),
    TIMEOUT_MS,
  );

  test("a server warns of a replica that is unreachable, or follows another database", async () => {
    const [primary, other] = [await startSqld(), await startSqld()];
    const away = await startReplica(primary.grpcUrl);
    await away.stop();
    const { url: filled, stop } = await startServer(other.url);
    await fetch(`${filled}/streams/s`, jsonPost({ events: [{ type: "Added", data: { n: 1 } }] }));
    await stop();
    for (const [readUrl, warning] of [
      [away.url, "the replica cannot be read now"],
      [other.url, "it is no replica of it"],
    ] as const) {
      const environment = { KILDE_DATABASE_URL: primary.url, KILDE_READ_URL: readUrl };
      const server = await serve(tmpdir(), [], { environment });
      await Bun.sleep(WAIT_MS + 1_000);
      expect((await fetch(`${server.url}/ready`)).status).toBe(200);
      const { stdout } = await server.stop();
      expect(stdout).toContain(warning);
    }
    await primary.stop();
    await other.stop();
  }, 60_000);
});
