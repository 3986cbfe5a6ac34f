import { copyFileSync } from "node:fs";
import { join } from "node:path";

import Connection from "libsql";

import { openLoad } from "./load.ts";
import { medianRow } from "./measure.ts";
import { randomAppends } from "./requests.ts";
import { NOT_TAKEN, type Round, type Row } from "./results.ts";
import { quantile } from "./sample.ts";
import { freePort, type Sandbox, type Server } from "./sandbox.ts";
import * as work from "./workload.ts";

/* Feeds: how fast they are built, how soon an event is in them, and what they cost appends. */

/** Events that a new version of a feed is built from: so many that starting its thread weighs little. */
const SOURCE_EVENTS = 300_000;

/** Rows of one transaction of the bare loop, as of the projection. */
const BATCH_ROWS = 500;

const LATENCY_EVENTS = 200;

const CONNECTIONS = 64;

/** Configurations by what they have: stateless and stateful feeds of the benchmark's own events. */
export function configOf(feeds: readonly ("stateless" | "stateful")[]): string {
  const definitions = feeds.map((kind, index) => {
    const state = `state: { initial: { total: 0 }, evolve: Object.fromEntries(types.map((type) =>
      [type, (state, event) => ({ total: state.total + event.data.amount })])) },`;
    const total = kind === "stateful" ? "total: state.total," : "";
    return `defineFeed({ name: "${kind}", version: ${index + 1}, events,
      contract: { Declared: z.object({ cents: z.int(), by: z.string(), total: z.int().optional() }) },
      ${kind === "stateful" ? state : ""}
      publish: Object.fromEntries(types.map((type) => [type, ({ data }, state) =>
        ({ type: "Declared", data: { cents: data.amount * 100, by: data.by, ${total} } })])) })`;
  });
  return `import { defineConfig, defineFeed } from "kilde";
import { z } from "zod";
const types = ${JSON.stringify(work.TYPES)};
const event = z.object({ number: z.int(), amount: z.int(), by: z.string(), text: z.string() });
const events = Object.fromEntries(types.map((type) => [type, event]));
export default defineConfig({ accessLog: false, feeds: [${definitions.join(",\n")}] });
`;
}

export interface Kilde {
  readonly server: Server;
  readonly port: number;
  get<Body>(path: string): Promise<Body>;
}

/** A server with this configuration on a file. */
export async function startKilde(
  sandbox: Sandbox,
  command: readonly string[],
  file: string,
  config: string,
): Promise<Kilde> {
  const port = freePort();
  const configFile = join(sandbox.folder("config"), "kilde.config.ts");
  await Bun.write(configFile, config);
  const get = async <Body>(path: string): Promise<Body> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as Body;
  };
  const options = ["--database-url", `file:${file}`, "--port", String(port), "--config", configFile];
  const server = await sandbox.start({
    name: "kilde-feeds",
    command: [...command, "serve", ...options],
    pollMs: 1,
    ready: () => get("/health"),
  });
  return { server, port, get };
}

export async function append(port: number, count: number): Promise<void> {
  for (let start = 0; start < count; start += work.PAGE) {
    const appends = work.eventsOf(start, work.PAGE).map(({ type, data }, offset) => ({
      stream: work.streamName((start + offset) % work.STREAMS),
      events: [{ type, data: JSON.parse(data) as unknown }],
    }));
    const response = await fetch(`http://127.0.0.1:${port}/transactions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ appends }),
    });
    if (response.status !== 201) throw new Error(await response.text());
    await response.arrayBuffer();
  }
}

interface State {
  readonly status: string;
  readonly head: number;
  readonly lag: { readonly events: number };
}

async function untilLive({ get }: Kilde, path: string): Promise<State> {
  for (;;) {
    const state = await get<State>(`${path}/status`);
    if (state.status === "live" && state.lag.events === 0) return state;
    await Bun.sleep(5);
  }
}

/** Rows of the source read, and as many inserted beside them, prepared, in transactions of the projection's size. */
function bareRate(file: string): number {
  const connection = new Connection(file);
  const sqlSettings = [
    "pragma synchronous = full",
    "pragma wal_autocheckpoint = 10000",
    "pragma cache_size = -32768",
  ];
  for (const sql of sqlSettings) connection.exec(sql);
  connection.exec(`create table bare (key integer primary key, subject integer not null, version integer not null,
    type text not null, time text, recorded text not null, data text, extensions text, unique (subject, version))`);
  const read = connection.prepare("select * from events where key > ? order by key limit ?").raw(true);
  const insert = connection.prepare("insert into bare values (?, ?, ?, ?, ?, ?, ?, ?)");
  const started = performance.now();
  let last = 0;
  let count = 0;
  for (;;) {
    const rows = read.all([last, BATCH_ROWS]) as [number, ...unknown[]][];
    const end = rows.at(-1);
    if (end === undefined) break;
    connection.exec("begin immediate");
    for (const row of rows) insert.run(row);
    connection.exec("commit");
    last = end[0];
    count += rows.length;
  }
  const rate = (count * 1_000) / (performance.now() - started);
  connection.close();
  return rate;
}

export const taken = (value: number): Round => ({ ...NOT_TAKEN, value });

/** A source to build feeds from, as a file that is copied for each round. */
async function filledFile(sandbox: Sandbox, command: readonly string[]): Promise<string> {
  const file = join(sandbox.folder("source"), "kilde.db");
  const kilde = await startKilde(sandbox, command, file, configOf([]));
  await append(kilde.port, SOURCE_EVENTS);
  await kilde.server.stop();
  // The file alone is to be all there is.
  const connection = new Connection(file);
  connection.exec("pragma wal_checkpoint(truncate)");
  connection.close();
  return file;
}

/** Source events projected a second, from the server's first answer until the new feed is live. */
export async function measureProjection(
  sandbox: Sandbox,
  command: readonly string[],
  rounds: number,
): Promise<Row[]> {
  const source = await filledFile(sandbox, command);
  const copied = () => {
    const file = join(sandbox.folder("projection"), "kilde.db");
    copyFileSync(source, file);
    return file;
  };
  const found: Record<"stateless" | "stateful" | "bare", Round[]> = { stateless: [], stateful: [], bare: [] };
  for (let round = 0; round < rounds; round += 1) {
    for (const kind of ["stateless", "stateful"] as const) {
      const kilde = await startKilde(sandbox, command, copied(), configOf([kind]));
      const started = performance.now();
      const { head } = await untilLive(kilde, `/feeds/${kind}/v1`);
      if (head !== SOURCE_EVENTS) throw new Error(`${head} events were published, not ${SOURCE_EVENTS}`);
      found[kind].push(taken((SOURCE_EVENTS * 1_000) / (performance.now() - started)));
      await kilde.server.stop();
    }
    found.bare.push(taken(bareRate(copied())));
  }
  const settings = command.join(" ");
  return [
    medianRow({ contender: "Kilde", way: "stateless feed", settings }, found.stateless, found.stateless),
    medianRow({ contender: "Kilde", way: "feed with state", settings }, found.stateful, found.stateless),
    medianRow(
      { contender: "bare loop", way: "read and insert", settings: "libsql, prepared" },
      found.bare,
      found.stateless,
    ),
  ];
}

/** From the answer to an append until the event is read from the feed, by a long-poll that waits for it. */
export async function measureFeedLatency(
  sandbox: Sandbox,
  command: readonly string[],
  rounds: number,
): Promise<Row[]> {
  const file = join(sandbox.folder("latency"), "kilde.db");
  const kilde = await startKilde(sandbox, command, file, configOf(["stateful"]));
  const found: Round[] = [];
  let head = 0;
  for (let round = 0; round < rounds; round += 1) {
    const latencies: number[] = [];
    for (let n = 0; n < LATENCY_EVENTS; n += 1) {
      const polled = kilde.get<unknown[]>(`/feeds/stateful/v1?lastEventId=${head}&timeout=5000`);
      const { type, data } = work.eventOf(n);
      const response = await fetch(`http://127.0.0.1:${kilde.port}/streams/s-${n}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: `{"events":[{"type":"${type}","data":${data}}]}`,
      });
      await response.arrayBuffer();
      const answered = performance.now();
      const events = await polled;
      latencies.push(performance.now() - answered);
      if (events.length !== 1) throw new Error(`${events.length} events came, not 1`);
      head += 1;
    }
    latencies.sort((a, b) => a - b);
    const p50 = quantile(latencies, 0.5);
    found.push({ ...NOT_TAKEN, value: p50, p50Ms: p50, p99Ms: quantile(latencies, 0.99) });
  }
  await kilde.server.stop();
  return [
    medianRow({ contender: "Kilde", way: "append to feed", settings: command.join(" ") }, found, found),
  ];
}

/** Appends of one event, beside so many feeds that project all of them. */
export async function measureAppendsWithFeeds(
  sandbox: Sandbox,
  command: readonly string[],
  rounds: number,
  roundMs: number,
): Promise<Row[]> {
  const variants = [0, 1, 4].map((count) => ({
    way: count === 1 ? "1 live feed" : `${count} live feeds`,
    feeds: Array.from({ length: count }, () => "stateful" as const),
    rounds: [] as Round[],
  }));
  for (let round = 0; round < rounds; round += 1) {
    for (const variant of variants) {
      const file = join(sandbox.folder("appends"), "kilde.db");
      const kilde = await startKilde(sandbox, command, file, configOf(variant.feeds));
      await append(kilde.port, work.STREAMS);
      const next = randomAppends(kilde.port, 1);
      const load = await openLoad({
        port: kilde.port,
        connections: CONNECTIONS,
        next,
        status: 201,
        eventsPerRequest: 1,
      });
      await load.run(roundMs);
      const { events, seconds } = await load.run(roundMs);
      variant.rounds.push(taken(events / seconds));
      load.close();
      await kilde.server.stop();
    }
  }
  const first = variants[0]?.rounds ?? [];
  return variants.map(({ way, rounds: each }) =>
    medianRow({ contender: "Kilde", way, settings: command.join(" ") }, each, first),
  );
}
