import { describe, expect, test } from "bun:test";

import { jsonPost, type WireEvent } from "../../support/app.ts";
import { chanceOf } from "../../support/chance.ts";
import { hasSqld, SQLD_FLAGS, startSqld } from "../../support/sqld.ts";
import type { Weather } from "../../support/tcp-proxy.ts";
import { type Cluster, type Lease, type Node, openCluster } from "./faults/cluster.ts";
import { eventually } from "../../support/eventually.ts";
import { followAt } from "./faults/followers.ts";
import { type Load, startLoad } from "./faults/load.ts";
import { type Answer, ask, isReady, type Scene, under } from "./faults/scene.ts";
import { verify } from "./faults/verify.ts";
import { startServer } from "./servers.ts";

/**
 * Server processes on one libSQL server, each behind a network of its own, under load from clients that repeat
 * requests without an acknowledgment. Each test makes something fail for a while, and then checks every guarantee
 * (`verify`).
 */

const TIMEOUT_MS = 180_000;

/** The time after which an append is refused at the latest, and what a machine that has much to do may add. */
const WRITE_DEADLINE_MS = 10_000;
const SLACK_MS = 5_000;

/** After which a lease is free, and what those who look for work may take until they have it. */
const LEASE_MS = 5_000;
const TAKEOVER_SLACK_MS = 8_000;
const TAKEOVER = { withinMs: 60_000, pollMs: 20 };

/** How often followers look, by default. */
const POLL_MS = 100;

/** Longer than any lease, and than anyone waits for an answer. */
const GONE_MS = 16_000;

const FINE: Weather = { kind: "fine" };

interface Appending {
  readonly stream: string;
  readonly id: string;
  readonly key?: string;
}

/** Appends an event once, and records the answer. */
async function append(load: Load, node: Node, { stream, id, key }: Appending): Promise<Answer> {
  const headers: Record<string, string> = key === undefined ? {} : { "Idempotency-Key": key };
  const events = [{ type: "Added", data: { id, n: 1 } }];
  const answer = await ask(node, `/streams/${stream}`, jsonPost({ events }, headers));
  load.uncertain.add(id);
  if (answer.status !== 201) return answer;
  const { version, position } = answer.body as { version: number; position: number };
  if (!answer.replayed) load.uncertain.delete(id);
  const place = { id, stream, version, position };
  const known = load.acknowledged.find((other) => other.id === id);
  if (known === undefined) load.acknowledged.push(place);
  else expect(place).toEqual(known);
  return answer;
}

/** Expects a refusal in time, whose text states that the outcome is unknown. */
function expectUnknown({ status, body, waitedMs }: Answer): void {
  expect(status).toBe(503);
  expect(body).toMatchObject({
    type: "/problems/storage-unavailable",
    remedy: expect.stringContaining("may have succeeded"),
  });
  expect(waitedMs).toBeLessThan(WRITE_DEADLINE_MS + SLACK_MS);
}

async function expectUnready(node: Node): Promise<void> {
  expect((await ask(node, "/ready")).status).toBe(503);
  expect((await ask(node, "/health")).status).toBe(200);
  const read = await ask(node, "/events?limit=1");
  expect(read).toMatchObject({ status: 503, body: { type: "/problems/storage-unavailable" } });
}

/** The leases of both feeds and of both subscriptions. */
async function heldLeases(cluster: Cluster): Promise<readonly Lease[]> {
  return eventually(async () => {
    const held = await cluster.leases();
    return held.length === 4 ? held : null;
  }, TAKEOVER);
}

describe.skipIf(!hasSqld)("several servers on one libSQL server", () => {
  for (const [kind, seed, ms] of [
    ["refusing", 1, 3_000],
    ["frozen", 2, 14_000],
  ] as const) {
    test(
      `the database cannot be reached: ${kind}`,
      () =>
        under({ seed }, async ({ cluster: { nodes }, load, leader, other }) => {
          for (const { network } of nodes) network.set({ kind });
          const over = Bun.sleep(ms);
          const begun = load.refusals.length;
          const early = append(load, leader, { stream: "unreachable", id: "early" });
          await expectUnready(other);
          expectUnknown(await early);
          // Those that come when the database is known to be late have a deadline of their own.
          expectUnknown(await append(load, leader, { stream: "unreachable", id: "later" }));
          await over;
          expect(load.refusals.length).toBeGreaterThan(begun);
          for (const { network } of nodes) network.set(FINE);
          for (const node of nodes) await eventually(isReady(node), TAKEOVER);
          expect(load.longestMs()).toBeLessThan(WRITE_DEADLINE_MS + SLACK_MS);
        }),
      TIMEOUT_MS,
    );
  }

  test(
    "the database answers slowly, and then later than anyone waits",
    () =>
      under({ seed: 3 }, async ({ cluster: { nodes }, load, leader }) => {
        for (const { network } of nodes) network.set({ kind: "slow", answerMs: 300 });
        await load.progress(100);
        expect(load.refusals).toEqual([]);
        expect((await ask(leader, "/health")).status).toBe(200);
        for (const { network } of nodes) network.set({ kind: "slow", answerMs: 16_000 });
        expectUnknown(await append(load, leader, { stream: "slow", id: "once" }));
        expect((await ask(leader, "/ready")).status).toBe(503);
        for (const { network } of nodes) network.set(FINE);
        for (const node of nodes) await eventually(isReady(node), TAKEOVER);
        expect(load.longestMs()).toBeLessThan(WRITE_DEADLINE_MS + SLACK_MS);
      }),
    TIMEOUT_MS,
  );

  test(
    "the answer to a write comes after the deadline, or the write itself does",
    () =>
      under({ seed: 4, size: 3 }, async ({ cluster, load, leader, other, ask: askOnly }) => {
        const third = cluster.nodes[2] ?? other;
        askOnly([other]);
        const idsOf = async (stream: string) => {
          const response = await other.fetch(`/streams/${stream}`);
          if (response.status === 404) return [];
          return ((await response.json()) as WireEvent[]).map(({ data }) => (data as { id: string }).id);
        };
        await append(load, leader, { stream: "known", id: "first", key: "key-0" });
        // Written without the client knowing: a repeated request returns the outcome.
        for (const { network } of [leader, third])
          network.set({ kind: "slow", answerMs: 12_000, to: "reported-late" });
        const unknown = await Promise.all([
          append(load, leader, { stream: "known", id: "reported-late-1", key: "key-1" }),
          append(load, third, { stream: "keyless", id: "reported-late-2" }),
        ]);
        for (const answer of unknown) expectUnknown(answer);
        const elsewhere = await append(load, other, { stream: "known", id: "reported-late-1", key: "key-1" });
        expect(elsewhere).toMatchObject({ status: 201, replayed: true });
        for (const { network } of [leader, third]) network.set(FINE);
        await eventually(isReady(leader), TAKEOVER);
        const here = await append(load, leader, { stream: "known", id: "reported-late-1", key: "key-1" });
        expect(here).toMatchObject({ status: 201, replayed: true, body: elsewhere.body });
        expect(await idsOf("known")).toEqual(["first", "reported-late-1"]);
        expect(await idsOf("keyless")).toEqual(["reported-late-2"]);

        // Not written when its callers are refused; it arrives when others have written the same.
        for (const { network } of [leader, third]) network.set({ kind: "frozen", to: "done-late" });
        const late = await Promise.all([
          append(load, leader, { stream: "known", id: "done-late-1", key: "key-2" }),
          append(load, third, { stream: "new", id: "done-late-2" }),
        ]);
        for (const answer of late) expectUnknown(answer);
        expect(await append(load, other, { stream: "known", id: "done-late-1", key: "key-2" })).toMatchObject(
          {
            status: 201,
            replayed: false,
          },
        );
        expect(await append(load, other, { stream: "new", id: "by another" })).toMatchObject({ status: 201 });
        for (const node of [leader, third]) {
          node.network.set(FINE);
          await eventually(isReady(node), TAKEOVER);
        }
        expect(
          await append(load, leader, { stream: "known", id: "done-late-1", key: "key-2" }),
        ).toMatchObject({
          status: 201,
          replayed: true,
        });
        expect(await idsOf("known")).toEqual(["first", "reported-late-1", "done-late-1"]);
        expect(await idsOf("new")).toEqual(["by another"]);
      }),
    TIMEOUT_MS,
  );

  test(
    "connections are cut within requests and answers",
    () =>
      under({ seed: 5 }, async ({ cluster: { nodes }, load }) => {
        const chance = chanceOf(5);
        for (const { network } of nodes) network.set({ kind: "cutting", chance });
        await load.progress(2_000);
        expect(load.refusals.length).toBeGreaterThan(0);
        expect(load.replayed()).toBeGreaterThan(0);
        for (const { network } of nodes) network.set(FINE);
      }),
    TIMEOUT_MS,
  );

  /** Has the leader disappear for longer than a lease; its work is taken over, and it comes back. */
  const lose = async (
    { cluster, load, leader, ask: askOnly }: Scene,
    disappear: () => void,
    comeBack: () => void,
  ) => {
    const before = new Map((await heldLeases(cluster)).map(({ name, holder }) => [name, holder]));
    const gone = Bun.sleep(GONE_MS);
    disappear();
    askOnly(cluster.nodes.filter((node) => node !== leader));
    const disappearedMs = performance.now();
    await eventually(async () => {
      const held = await cluster.leases();
      return Array.from(before).every(([name, holder]) =>
        held.some((lease) => lease.name === name && lease.holder !== holder),
      );
    }, TAKEOVER);
    const takeover = performance.now() - disappearedMs;
    expect(takeover).toBeLessThan(LEASE_MS + TAKEOVER_SLACK_MS);
    console.log(`taken over after ${Math.round(takeover)} ms`);
    await gone;
    const silent = cluster.receiver.lastAt();
    comeBack();
    askOnly(cluster.nodes);
    await load.progress(500);
    await eventually(() => cluster.receiver.lastAt() > silent, TAKEOVER);
  };

  test(
    "the leader is stopped for longer than its leases, and continues",
    () =>
      under({ seed: 6, size: 3 }, async (scene) => {
        const { leader } = scene;
        await lose(
          scene,
          () => leader.signal("SIGSTOP"),
          () => leader.signal("SIGCONT"),
        );
      }),
    TIMEOUT_MS,
  );

  for (const [kind, seed] of [
    ["frozen", 7],
    ["refusing", 8],
  ] as const) {
    test(
      `the leader alone cannot reach the database: ${kind}`,
      () =>
        under({ seed }, async (scene) => {
          const { network } = scene.leader;
          await lose(
            scene,
            () => network.set({ kind }),
            () => network.set(FINE),
          );
        }),
      TIMEOUT_MS,
    );
  }

  for (const [seed, aheadMs] of [
    [9, 600_000],
    [10, -600_000],
  ] as const) {
    test(
      `the leader's clock is ${aheadMs / 60_000} minutes ahead`,
      () =>
        under(
          { seed, optionsOf: (number) => (number === 0 ? { clockAheadMs: aheadMs } : {}) },
          async (scene) => {
            const { cluster, load, leader, other } = scene;
            cluster.receiver.refuse("s-1");
            // More than once, so that its next attempt is stored.
            await eventually(() => cluster.receiver.refused() > 3, TAKEOVER);
            await lose(
              scene,
              () => leader.signal("SIGSTOP"),
              () => leader.signal("SIGCONT"),
            );
            // Its next attempt was set by a clock that the other node does not have.
            cluster.receiver.refuse(null);
            const subject = "s-1";
            const known = cluster.receiver.taken("/hooks/events").get(subject)?.length ?? 0;
            await eventually(
              () => (cluster.receiver.taken("/hooks/events").get(subject)?.length ?? 0) > known,
              TAKEOVER,
            );
            // Receivers refuse deliveries signed more than five minutes before or after their own time.
            const { first, last } = cluster.receiver.signedAt();
            expect(Date.now() / 1_000 - first).toBeLessThan(TIMEOUT_MS / 1_000);
            expect(last - Date.now() / 1_000).toBeLessThan(SLACK_MS / 1_000);
            expect(await append(load, other, { stream: "known", id: "first", key: "key" })).toMatchObject({
              replayed: false,
            });
            expect(await append(load, leader, { stream: "known", id: "first", key: "key" })).toMatchObject({
              replayed: true,
            });
          },
        ),
      TIMEOUT_MS,
    );
  }

  test(
    "the database is killed and started again under load",
    () =>
      under({ seed: 11 }, async ({ cluster: { sqld, nodes }, load }) => {
        for (let kill = 0; kill < 3; kill += 1) {
          await load.progress(200);
          await sqld.restart();
        }
        for (const node of nodes) await eventually(isReady(node), TAKEOVER);
      }),
    TIMEOUT_MS,
  );

  test(
    "followers at any server see what another appends, and their number costs the database nothing",
    async () => {
      const cluster = await openCluster(2);
      try {
        const [writer, reader] = cluster.nodes;
        if (writer === undefined || reader === undefined) throw new Error("there must be two nodes");
        const load = startLoad({ seed: 12, nodes: () => [writer] });
        await load.progress(100);
        const few = await followAt(reader, 1);
        const many = await followAt(reader, 100);
        for (const { delays, looks, singleLooks, ms } of [few, many]) {
          const [median = Infinity, most = Infinity] = [delays[delays.length >> 1], delays.at(-1)];
          const perInterval = (looks * POLL_MS) / ms;
          console.log(JSON.stringify({ median, most, perInterval, singleLooks }));
          expect(median).toBeLessThan(POLL_MS + SLACK_MS);
          // Each look begins an interval after the one before has ended.
          expect(looks).toBeLessThanOrEqual(ms / POLL_MS + 1);
          expect(looks).toBeGreaterThan(0);
        }
        // Those who look whether there is work for them, at times.
        expect(many.singleLooks).toBeLessThan(few.singleLooks * 2 + 20);
        await verify(cluster, load);
      } finally {
        await cluster.close();
      }
    },
    TIMEOUT_MS,
  );

  test.each([
    [[], true],
    [SQLD_FLAGS, false],
  ])("a server warns of sqld with %j: %j", async (flags, warns) => {
    const sqld = await startSqld(flags);
    try {
      const { stdout } = await (await startServer(sqld.url)).stop();
      expect(stdout.includes("--checkpoint-interval-s")).toBe(warns);
    } finally {
      await sqld.stop();
    }
  });
});
