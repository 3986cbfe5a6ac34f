import type { BenchmarkOptions } from "./course.ts";
import { openFollowers } from "./event-stream.ts";
import { configOf } from "./feed-configs.ts";
import { append, type KildeServer, startServer } from "./kilde-server.ts";
import { loadOverNewConnections } from "./load.ts";
import { medianRow } from "./measure.ts";
import { getRequest, randomAppends } from "./requests.ts";
import { latencyRound, type Row, type WorkResult } from "./results.ts";
import type { Sandbox } from "./sandbox.ts";
import { resultOf } from "./work-result.ts";
import * as work from "./workload.ts";

/* From the answer to an append until its event is read from a feed: of an idle server, and under load. */

const IDLE_EVENTS = 200;
const CONNECTIONS = 64;

/** Streams whose events are awaited under load, and how often one is appended. */
const PROBES = "probe-";
const PROBE_MS = 20;
/** Until the feed has reached the pace of the load. */
const WARM_UP_MS = 500;
const ARRIVAL_MS = 10_000;

const FEED = "/feeds/stateful/v1";

/** Latencies of single appends, each of which a long-poll waits for. */
async function idleLatencies(kilde: KildeServer, head: number): Promise<number[]> {
  const latencies: number[] = [];
  for (let n = 0; n < IDLE_EVENTS; n += 1) {
    const path = `${FEED}?lastEventId=${head + n}&timeout=5000`;
    const polled = kilde.request<unknown[]>("GET", path);
    const { type, data } = work.eventOf(n);
    await kilde.request("POST", `/streams/s-${n}`, { events: [{ type, data: JSON.parse(data) as unknown }] });
    const answered = performance.now();
    const events = await polled;
    latencies.push(performance.now() - answered);
    if (events.length !== 1) throw new Error(`${events.length} events came, not 1`);
  }
  return latencies.toSorted((a, b) => a - b);
}

/** Appends probes beside the load, until it ends, and waits until a follower of the feed has all of them. */
async function probe(kilde: KildeServer, loaded: Promise<unknown>, run: number): Promise<number[]> {
  const answered: number[] = [];
  const arrived = new Map<number, number>();
  const request = getRequest(kilde.port, `${FEED}?subjectPrefix=${PROBES}${run}-`, [
    "Accept: text/event-stream",
  ]);
  const numberOf = (line: string) => Number(/"subject":"probe-\d+-(\d+)"/.exec(line)?.[1] ?? Number.NaN);
  const close = await openFollowers(
    kilde.port,
    request,
    1,
    (_, n) => arrived.set(n, performance.now()),
    numberOf,
  );
  let isLoaded = true;
  const ended = loaded.finally(() => {
    isLoaded = false;
  });
  await Bun.sleep(WARM_UP_MS);
  while (isLoaded) {
    const n = answered.length;
    const { type, data } = work.eventOf(n);
    const events = [{ type, data: JSON.parse(data) as unknown }];
    await kilde.request("POST", `/streams/${PROBES}${run}-${n}`, { events });
    answered.push(performance.now());
    await Bun.sleep(PROBE_MS);
  }
  await ended;
  for (const until = performance.now() + ARRIVAL_MS; arrived.size < answered.length; await Bun.sleep(5)) {
    if (performance.now() > until) throw new Error(`${arrived.size} of ${answered.length} events arrived`);
  }
  close();
  // An event may be published before the answer to its append is read.
  return answered.map((at, n) => Math.max(0, (arrived.get(n) ?? Number.NaN) - at)).toSorted((a, b) => a - b);
}

/** Idle, and beside appends over 64 connections, by turns. */
export async function measureFeedLatency(
  sandbox: Sandbox,
  { command, rounds, roundMs }: BenchmarkOptions,
): Promise<readonly WorkResult[]> {
  const config = configOf(["stateful"]);
  const quiet = await startServer(sandbox, command, { config });
  const busy = await startServer(sandbox, command, { config });
  await append(busy, work.STREAMS);
  const load = loadOverNewConnections({
    port: busy.port,
    connections: CONNECTIONS,
    next: randomAppends(busy.port, 1),
    status: 201,
    eventsPerRequest: 1,
  });
  const [idle, loaded] = [[], []] as [ReturnType<typeof latencyRound>[], ReturnType<typeof latencyRound>[]];
  for (let round = 0; round < rounds; round += 1) {
    idle.push(latencyRound(await idleLatencies(quiet, round * IDLE_EVENTS)));
    loaded.push(latencyRound(await probe(busy, load(roundMs + WARM_UP_MS), round)));
  }
  await quiet.server.stop();
  await busy.server.stop();
  const settings = command.join(" ");
  const row = (way: string, its: typeof idle): Row =>
    medianRow({ contender: "Kilde", way, settings }, its, its);
  const title = "From an append's answer to its event in a feed";
  return [
    resultOf("feed-latency", `${title}, idle`, "ms", [row("append to feed", idle)]),
    resultOf("feed-latency-load", `${title}, beside appends over 64 connections`, "ms", [
      row("append to feed", loaded),
    ]),
  ];
}
