import { join } from "node:path";

import { LEASE_MS } from "../../src/storage/lease.ts";
import { hasSqld, type Sqld, SQLD_FLAGS, startSqld } from "../support/sqld.ts";
import type { BenchmarkOptions } from "./course.ts";
import { configOf } from "./feed-configs.ts";
import { requestJson, SECRET_KEY } from "./kilde-server.ts";
import { medianRow } from "./measure.ts";
import { NOT_TAKEN, type Round, type Row } from "./results.ts";
import { freePort, type Sandbox, type Server } from "./sandbox.ts";
import { type Receiver, startReceiver } from "./webhooks.ts";
import * as work from "./workload.ts";

/*
 * How long projections and webhooks stand still when the node that has them is killed: from the signal until another
 * node has projected, and delivered, an event that was appended there at once. The node that is killed has just worked,
 * so that its leases last as long as they can. The nodes share a machine: on Linux the other node detects that the process
 * has ended. Elsewhere, and across machines, the lease's duration is added, which is the last row.
 */

const FEED = "/feeds/stateless/v1";

/** By then it is kept that an event was delivered; who takes over would rightly deliver it again otherwise. */
const KEPT_MS = 200;

const POLL_MS = 5;
const PATIENCE_MS = 60_000;

interface Node {
  readonly url: string;
  readonly server: Server;
}

async function startNode(
  sandbox: Sandbox,
  command: readonly string[],
  sqld: Sqld,
  configFile: string,
): Promise<Node> {
  const port = freePort();
  const url = `http://127.0.0.1:${port}`;
  const options = ["--database-url", sqld.url, "--port", String(port), "--config", configFile];
  const server = await sandbox.start({
    name: `kilde-takeover-${port}`,
    command: [...command, "serve", ...options],
    env: { KILDE_SECRET_KEYS: SECRET_KEY, KILDE_EGRESS_ALLOW: "127.0.0.1" },
    ready: () => requestJson(url, "GET", "/health"),
  });
  return { url, server };
}

async function until(reached: () => Promise<boolean>): Promise<number> {
  for (const end = performance.now() + PATIENCE_MS; performance.now() < end; await Bun.sleep(POLL_MS)) {
    if (await reached()) return performance.now();
  }
  throw new Error("nobody took over");
}

/** Appends the nth event at a node; when it is projected, and when it is delivered. */
async function follow(node: Node, receiver: Receiver, n: number) {
  const { type, data } = work.eventOf(n);
  await requestJson(node.url, "POST", `/streams/t-${n}`, {
    events: [{ type, data: JSON.parse(data) as unknown }],
  });
  const [projected, delivered] = await Promise.all([
    until(async () => (await requestJson<{ head: number }>(node.url, "GET", `${FEED}/status`)).head >= n),
    until(async () => (await receiver.state()).count >= n),
  ]);
  return { projected, delivered };
}

/** From the death of a node until another does its work; nothing where there is no libSQL server. */
export async function measureTakeover(
  sandbox: Sandbox,
  { command, rounds }: BenchmarkOptions,
): Promise<Row[]> {
  if (!hasSqld) return [];
  const sqld = await startSqld(SQLD_FLAGS);
  try {
    return await measureOn(sqld, sandbox, command, rounds);
  } finally {
    await sqld.stop();
  }
}

async function measureOn(
  sqld: Sqld,
  sandbox: Sandbox,
  command: readonly string[],
  rounds: number,
): Promise<Row[]> {
  const receiver = await startReceiver(sandbox);
  const configFile = join(sandbox.folder("takeover"), "kilde.config.ts");
  await Bun.write(configFile, configOf(["stateless"]));
  const start = () => startNode(sandbox, command, sqld, configFile);
  const found: Record<"projected" | "delivered" | "lease", Round[]> = {
    projected: [],
    delivered: [],
    lease: [],
  };
  let holder = await start();
  const subscription = { source: "/events", url: receiver.url, start: "beginning" };
  await requestJson(holder.url, "POST", "/subscriptions", subscription);
  // Its leases are taken before there is another node.
  let n = 1;
  await follow(holder, receiver, n);
  for (let round = 0; round < rounds; round += 1) {
    const next = await start();
    n += 1;
    await follow(next, receiver, n);
    await Bun.sleep(KEPT_MS);
    const killed = performance.now();
    process.kill(holder.server.pid, "SIGKILL");
    n += 1;
    const { projected, delivered } = await follow(next, receiver, n);
    found.projected.push({ ...NOT_TAKEN, value: projected - killed });
    found.delivered.push({ ...NOT_TAKEN, value: delivered - killed });
    found.lease.push({ ...NOT_TAKEN, value: LEASE_MS });
    await holder.server.stop();
    holder = next;
  }
  const { count, outOfOrder } = await receiver.state();
  const { head } = await requestJson<{ head: number }>(holder.url, "GET", `${FEED}/status`);
  if (count !== n || outOfOrder > 0 || head !== n) {
    throw new Error(
      `of ${n} events ${head} are in the feed, ${count} were delivered, ${outOfOrder} out of order`,
    );
  }
  await holder.server.stop();
  await receiver.server.stop();
  const settings = command.join(" ");
  const row = (contender: string, way: string, taken: readonly Round[]) =>
    medianRow({ contender, way, settings }, taken, found.projected);
  return [
    row("Kilde", "from kill -9 to an event in the feed", found.projected),
    row("Kilde", "from kill -9 to an event received", found.delivered),
    row("a lease", "how long it lasts", found.lease),
  ];
}
