import { describe, expect, test } from "bun:test";

import { jsonPost } from "../support/app.ts";
import { hasSqld } from "../support/sqld.ts";
import type { Weather } from "../support/tcp-proxy.ts";
import { type Cluster, type Node, type NodeOptions, openCluster } from "./faults/cluster.ts";
import { type Load, startLoad } from "./faults/load.ts";
import { verify } from "./faults/verify.ts";

/*
 * Server processes on one libSQL server, each behind a network of its own, under load from clients that repeat what was
 * not acknowledged. Each test has something fail for a while, and then checks all that is promised (`verify`).
 */

const TIMEOUT_MS = 180_000;

/** The time after which an append is refused at the latest, and what a machine that has much to do may add. */
const WRITE_DEADLINE_MS = 10_000;
const SLACK_MS = 5_000;

const FINE: Weather = { kind: "fine" };

interface Scene {
  readonly cluster: Cluster;
  readonly load: Load;
  /** The node that projects and delivers at first. */
  readonly leader: Node;
  /** Another one. */
  readonly other: Node;
  /** Has clients ask these nodes alone from now on. */
  ask(nodes: readonly Node[]): void;
}

/** Has something happen to a cluster under load; then all must be well. */
async function under(
  { seed, size = 2, optionsOf }: { seed: number; size?: number; optionsOf?: (number: number) => NodeOptions },
  happen: (scene: Scene) => Promise<void>,
): Promise<void> {
  const cluster = await openCluster(size, optionsOf);
  try {
    const [leader, other] = cluster.nodes;
    if (leader === undefined || other === undefined) throw new Error("there must be two nodes");
    let asked = cluster.nodes;
    const load = startLoad({ seed, nodes: () => asked });
    await load.progress(300);
    await happen({ cluster, load, leader, other, ask: (nodes) => (asked = nodes) });
    await load.progress(300);
    await verify(cluster, load);
    const { acknowledged, refusals } = load;
    const facts = {
      events: acknowledged.length,
      refused: refusals.length,
      replayed: load.replayed(),
      deliveredTwice: cluster.receiver.repeats(),
      longestMs: Math.round(load.longestMs()),
      longestSilenceMs: Math.round(load.longestSilenceMs()),
    };
    console.log(JSON.stringify(facts));
  } finally {
    await cluster.close();
  }
}

interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly replayed: boolean;
  readonly waitedMs: number;
}

async function ask(node: Node, path: string, init?: RequestInit): Promise<Answer> {
  const started = performance.now();
  const response = await node.fetch(path, { ...init, signal: AbortSignal.timeout(60_000) });
  const body: unknown = await response.json();
  const waitedMs = performance.now() - started;
  return { status: response.status, body, replayed: response.headers.has("idempotency-replayed"), waitedMs };
}

function append(node: Node, stream: string, id: string, key: string | null = null): Promise<Answer> {
  const headers: Record<string, string> = key === null ? {} : { "Idempotency-Key": key };
  return ask(node, `/streams/${stream}`, jsonPost({ events: [{ type: "Other", data: { id } }] }, headers));
}

/** Refused in time, and in words that say what may have become of it. */
function expectUnknown({ status, body, waitedMs }: Answer): void {
  expect(status).toBe(503);
  expect(body).toMatchObject({
    type: "/problems/storage-unavailable",
    remedy: expect.stringContaining("may have gone through"),
  });
  expect(waitedMs).toBeLessThan(WRITE_DEADLINE_MS + SLACK_MS);
}

async function expectUnready(node: Node): Promise<void> {
  expect((await ask(node, "/ready")).status).toBe(503);
  expect((await ask(node, "/health")).status).toBe(200);
  const read = await ask(node, "/events?limit=1");
  expect(read).toMatchObject({ status: 503, body: { type: "/problems/storage-unavailable" } });
}

async function until(what: string, holds: () => Promise<boolean>, ms = 60_000): Promise<number> {
  const started = performance.now();
  while (!(await holds())) {
    if (performance.now() - started > ms) throw new Error(`it took more than ${ms} ms until ${what}`);
    await Bun.sleep(20);
  }
  return performance.now() - started;
}

const isReady = (node: Node) => async () => (await ask(node, "/ready")).status === 200;

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
          const early = append(leader, "unreachable", "early");
          await expectUnready(other);
          expectUnknown(await early);
          // Those that come when the database is known to be late have a deadline of their own.
          expectUnknown(await append(leader, "unreachable", "later"));
          await over;
          expect(load.refusals.length).toBeGreaterThan(begun);
          for (const { network } of nodes) network.set(FINE);
          for (const node of nodes) await until("it is ready", isReady(node));
          expect(load.longestMs()).toBeLessThan(WRITE_DEADLINE_MS + SLACK_MS);
        }),
      TIMEOUT_MS,
    );
  }
});
