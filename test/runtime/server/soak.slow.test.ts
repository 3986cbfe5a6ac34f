import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";

import { hasSqld } from "../../support/sqld.ts";
import { type Node, openCluster } from "./faults/cluster.ts";
import { startLoad } from "./faults/load.ts";
import { verify } from "./faults/verify.ts";
import { follow } from "../../log/sent-events.ts";

/**
 * Four servers on one libSQL server, with appends, feeds, webhooks and followers, for KILDE_SOAK_SECONDS seconds.
 * libSQL servers wedge under many writes in flight, so the test detects a write that never ends, and memory that only
 * grows.
 */

const SECONDS = Number(process.env["KILDE_SOAK_SECONDS"] ?? 60);
const NODES = 4;
const FOLLOWERS = 5;

/** Nothing may be still for as long as a write may take. */
const SILENCE_MS = 10_000;

/** By then caches and code are warm; from then on memory must not double, nor grow by as much as this and more. */
const WARM_SHARE = 0.3;
const GROWTH_BYTES = 150 * 1024 * 1024;

/** How often memory is looked at. */
const SAMPLE_MS = 1_000;

/** The checks of the log and the deliveries at the end take time in proportion to their length. */
const TIMEOUT_MS = SECONDS * 3_000 + 300_000;

function residentBytes({ pid }: Node): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kilobytes) * 1_024;
}

/** Follows at a node; gives the number of events that came without a gap, and the longest time without any. */
async function followOn(node: Node, until: number): Promise<{ seen: number; silenceMs: number }> {
  let [seen, silenceMs, last] = [0, 0, performance.now()];
  for await (const { id } of follow(node, "/events?lastEventId=0")) {
    seen += 1;
    if (Number(id) !== seen) throw new Error(`${id} came after ${seen - 1}`);
    const now = performance.now();
    silenceMs = Math.max(silenceMs, now - last);
    last = now;
    if (Date.now() > until) break;
  }
  return { seen, silenceMs };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}

describe.skipIf(!hasSqld || process.platform !== "linux")("four servers on one libSQL server", () => {
  test(
    `keep every guarantee for ${SECONDS} seconds`,
    async () => {
      const cluster = await openCluster(NODES);
      try {
        const { nodes } = cluster;
        const until = Date.now() + SECONDS * 1_000;
        const load = startLoad({ seed: 1, nodes: () => nodes, clients: 16 });
        const following = Promise.all(
          nodes.flatMap((node) => Array.from({ length: FOLLOWERS }, () => followOn(node, until))),
        );
        following.catch(() => {});
        const memory = nodes.map((): number[] => []);
        while (Date.now() < until) {
          await Promise.race([following, Bun.sleep(SAMPLE_MS)]);
          for (const [number, node] of nodes.entries()) memory[number]?.push(residentBytes(node));
        }
        await load.progress(1);
        const followers = await following;
        const grown = memory.map((samples) => {
          const warm = Math.floor(samples.length * WARM_SHARE);
          return { from: median(samples.slice(warm, warm * 2)), to: median(samples.slice(-warm)) };
        });
        const silenceMs = Math.max(...followers.map((follower) => follower.silenceMs));
        const megabytes = (bytes: number) => Math.round(bytes / 1024 / 1024);
        const facts = {
          events: load.acknowledged.length,
          refused: load.refusals.length,
          longestMs: Math.round(load.longestMs()),
          longestSilenceMs: Math.round(load.longestSilenceMs()),
          followersSilenceMs: Math.round(silenceMs),
          megabytes: grown.map(({ from, to }) => [megabytes(from), megabytes(to)]),
        };
        console.log(JSON.stringify(facts));
        expect(load.longestSilenceMs()).toBeLessThan(SILENCE_MS);
        expect(silenceMs).toBeLessThan(SILENCE_MS);
        for (const { from, to } of grown) expect(to).toBeLessThan(from + Math.max(from, GROWTH_BYTES));
        await verify(cluster, load);
        console.log(JSON.stringify({ deliveredTwice: cluster.receiver.repeats() }));
      } finally {
        await cluster.close();
      }
    },
    TIMEOUT_MS,
  );
});
