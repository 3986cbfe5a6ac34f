import { join } from "node:path";

import { type Contender, NotInstalled } from "./contender.ts";
import type { BenchmarkOptions } from "./course.ts";
import { configOf, type FeedKind } from "./feed-configs.ts";
import { nodeProgram } from "./installed.ts";
import { append, headOf, type KildeServer, startServer } from "./kilde-server.ts";
import { loadOverNewConnections } from "./load.ts";
import { type Entry, measure, medianRow } from "./measure.ts";
import { startEmmett } from "./peers/emmett.ts";
import { untilLive } from "./projection.ts";
import { randomAppends } from "./requests.ts";
import { type Round, type Row, roundOf, type WorkResult } from "./results.ts";
import { freePort, type Sandbox } from "./sandbox.ts";
import {
  FOUR_FEEDS,
  inNode,
  NO_FEED,
  NO_SUBSCRIPTION,
  ONE_FEED,
  ONE_STATEFUL_FEED,
  ONE_SUBSCRIPTION,
} from "./ways.ts";
import { resultOf } from "./work-result.ts";
import * as work from "./workload.ts";

/* The cost of publishing to appends: beside live feeds, and beside a subscription that delivers each event. */

const CONNECTIONS = 64;

/** The version of Node that Emmett runs in. */
const EMMETT_NODE = 22;

/** Appends over 64 connections. After each run, outside of its time, all that they led to is done. */
async function appending(
  kilde: KildeServer,
  way: string,
  settings: string,
  settled: () => Promise<unknown>,
): Promise<Entry> {
  await append(kilde, work.STREAMS);
  await settled();
  const load = loadOverNewConnections({
    port: kilde.port,
    connections: CONNECTIONS,
    next: randomAppends(kilde.port, 1),
    status: 201,
    eventsPerRequest: 1,
  });
  const contender: Contender = {
    name: "Kilde",
    version: "",
    settings,
    pid: kilde.server.pid,
    close: () => kilde.server.stop(),
  };
  return {
    contender,
    task: {
      way,
      stored: () => headOf(kilde),
      async run(durationMs) {
        const sample = await load(durationMs);
        await settled();
        return sample;
      },
    },
  };
}

async function besideFeeds(
  sandbox: Sandbox,
  command: readonly string[],
  way: string,
  feeds: readonly FeedKind[],
): Promise<Entry> {
  const kilde = await startServer(sandbox, command, { config: configOf(feeds) });
  const paths = feeds.map((kind, index) => `/feeds/${kind}/v${index + 1}`);
  const settled = () => Promise.all(paths.map((path) => untilLive(kilde, path)));
  return appending(kilde, way, command.join(" "), settled);
}

/** Emmett's appends that update a document each; null where it cannot run. */
async function emmettBesideProjection(
  sandbox: Sandbox,
  print: (text: string) => void,
): Promise<Entry | null> {
  try {
    const label = inNode(EMMETT_NODE);
    const emmett = await startEmmett(
      sandbox,
      { program: nodeProgram(EMMETT_NODE), label },
      { projected: true },
    );
    const { contender, node, stored } = emmett;
    const run = node.run("append", CONNECTIONS);
    const way = "PostgreSQL, an inline projection";
    return { contender, task: { way, run, stored, clientPid: node.server.pid } };
  } catch (error) {
    if (!(error instanceof NotInstalled)) throw error;
    print(`Emmett: not compared, ${error.message}`);
    return null;
  }
}

async function closeAll(entries: readonly Entry[]): Promise<void> {
  for (const { contender, task } of entries) {
    await task.close?.();
    await contender.close();
  }
}

/** Microseconds of the server's CPU for one append, round by round. */
function cpuUs({ value, serverCores }: Round): number {
  return serverCores === null ? Number.NaN : (serverCores * 1e6) / value;
}

/** The CPU that publishing adds to that of appends, for each event and feed. */
function publishingCpu(rows: readonly Row[]): Row[] {
  const none = rows.find(({ way }) => way === NO_FEED)?.rounds ?? [];
  const counts: readonly (readonly [way: string, count: number])[] = [
    [ONE_FEED, 1],
    [ONE_STATEFUL_FEED, 1],
    [FOUR_FEEDS, 4],
  ];
  return counts.flatMap(([way, count]) => {
    const row = rows.find((each) => each.way === way);
    if (row === undefined) return [];
    const extra = row.rounds.map((round, index) => {
      const without = none[index];
      return roundOf(without === undefined ? Number.NaN : (cpuUs(round) - cpuUs(without)) / count);
    });
    return [medianRow({ contender: row.contender, way, settings: row.settings }, extra, extra)];
  });
}

/** Appends of one event, beside so many feeds that project all of them, and Emmett's with an inline projection. */
export async function measureAppendsBesideFeeds(
  sandbox: Sandbox,
  { command, rounds, roundMs, peers, print }: BenchmarkOptions,
): Promise<readonly WorkResult[]> {
  const entries = [
    await besideFeeds(sandbox, command, NO_FEED, []),
    await besideFeeds(sandbox, command, ONE_FEED, ["stateless"]),
    await besideFeeds(sandbox, command, ONE_STATEFUL_FEED, ["stateful"]),
    await besideFeeds(sandbox, command, FOUR_FEEDS, ["stateless", "stateless", "stateless", "stateless"]),
  ];
  const emmett = peers ? await emmettBesideProjection(sandbox, print) : null;
  if (emmett !== null) entries.push(emmett);
  const rows = await measure(entries, { rounds, roundMs });
  await closeAll(entries);
  const title = "Appends of one event, 64 connections, beside feeds";
  return [
    resultOf("append-feeds", title, "events/s", rows),
    resultOf(
      "append-feeds-cpu",
      "CPU of the server for publishing an event in a feed",
      "µs",
      publishingCpu(rows),
    ),
  ];
}

interface Receiver {
  readonly url: string;
  count(): Promise<number>;
  stop(): Promise<void>;
}

async function startReceiver(sandbox: Sandbox): Promise<Receiver> {
  const port = freePort();
  const url = `http://127.0.0.1:${port}`;
  const count = async () => Number(await (await fetch(url)).text());
  const command = [process.execPath, join(import.meta.dir, "counting-receiver.ts"), String(port)];
  const server = await sandbox.start({ name: "counting-receiver", command, ready: count });
  return { url: `${url}/hook`, count, stop: () => server.stop() };
}

/** Appends a second, and events appended and received a second: these are fewer when the subscription falls behind. */
export async function measureAppendsBesideSubscription(
  sandbox: Sandbox,
  { command, rounds, roundMs }: BenchmarkOptions,
): Promise<readonly WorkResult[]> {
  const settings = command.join(" ");
  const without = await startServer(sandbox, command);
  const kilde = await startServer(sandbox, command);
  const receiver = await startReceiver(sandbox);
  await kilde.request("POST", "/subscriptions", {
    source: "/events",
    url: receiver.url,
    start: "beginning",
    concurrency: CONNECTIONS,
  });
  const received = async () => {
    const head = await headOf(kilde);
    while ((await receiver.count()) < head) await Bun.sleep(5);
  };
  const bare = await appending(without, NO_SUBSCRIPTION, settings, async () => {});
  const beside = await appending(kilde, ONE_SUBSCRIPTION, settings, received);
  const deliveredRates: Round[] = [];
  const timed: Entry = {
    contender: beside.contender,
    task: {
      ...beside.task,
      async run(durationMs) {
        const started = performance.now();
        const sample = await beside.task.run(durationMs);
        deliveredRates.push(roundOf((sample.events * 1_000) / (performance.now() - started)));
        return sample;
      },
    },
  };
  const rows = await measure([bare, timed], { rounds, roundMs });
  await closeAll([bare, timed]);
  await receiver.stop();
  const way = `${ONE_SUBSCRIPTION}, appended and received`;
  const delivered = medianRow(
    { contender: "Kilde", way, settings },
    // The first run warms up.
    deliveredRates.slice(-rounds),
    rows[0]?.rounds ?? [],
  );
  const title = "Appends of one event, 64 connections, beside a subscription that delivers each";
  return [resultOf("append-subscription", title, "events/s", [...rows, delivered])];
}
