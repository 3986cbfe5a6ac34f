import { join } from "node:path";

import type { Contender, Task } from "./contender.ts";
import type { BenchmarkOptions } from "./course.ts";
import { type KildeServer, startServer } from "./kilde-server.ts";
import { openLoad } from "./load.ts";
import { type Entry, measure, medianRow } from "./measure.ts";
import { appendBody, getRequest } from "./requests.ts";
import { type Row, roundOf, type WorkResult } from "./results.ts";
import type { Sandbox } from "./sandbox.ts";
import {
  bareInserts,
  fillStore,
  LARGE,
  LONG_STREAM,
  LONG_VERSIONS,
  type Size,
  SMALL,
} from "./scale-stores.ts";
import { resultOf } from "./work-result.ts";
import * as work from "./workload.ts";

/* Whether earlier events make an append or a read slower, and how much slower they make a bare loop. */

const CONNECTIONS = 64;

/** How many events of a stream's end are read. */
const TAIL_EVENTS = 10;

interface Store {
  readonly contender: Contender;
  readonly server: KildeServer;
  readonly size: Size;
  /** The bare loop on a copy of its file. */
  readonly bare: Entry;
}

async function open(sandbox: Sandbox, command: readonly string[], size: Size): Promise<Store> {
  const file = join(sandbox.folder("scale"), "kilde.db");
  await fillStore(file, size);
  const bare = bareInserts(sandbox, file, size);
  const server = await startServer(sandbox, command, { file });
  const settings = `${size.streams.toLocaleString("en")} streams, and one of ${LONG_VERSIONS.toLocaleString("en")} events`;
  const close = async () => {
    await server.server.stop();
    await bare.contender.close();
  };
  const contender = { name: size.name, version: "", settings, pid: server.server.pid, close };
  return { contender, server, size, bare };
}

const ENCODER = new TextEncoder();

/** Made when it is sent: there are too many streams to make all requests beforehand. */
function appendRequest(port: number, stream: string, n: number): Uint8Array {
  const body = appendBody([work.eventOf(n)]);
  const lines = [
    `POST /streams/${stream} HTTP/1.1`,
    `Host: 127.0.0.1:${port}`,
    "Content-Type: application/json",
    `Content-Length: ${body.length}`,
  ];
  return ENCODER.encode(`${lines.join("\r\n")}\r\n\r\n${body}`);
}

async function appending({ server: { port }, size }: Store, connections: number): Promise<Task> {
  let n = 0;
  const next = () => appendRequest(port, work.streamName(work.randomBelow(size.streams)), n++);
  const load = await openLoad({ port, connections, next, status: 201, eventsPerRequest: 1 });
  return {
    way: `appends to random streams, ${connections} connection${connections === 1 ? "" : "s"}`,
    run: load.run,
    close: load.close,
  };
}

async function readingTail({ server: { port } }: Store, stream: string, way: string): Promise<Task> {
  const request = getRequest(port, `/streams/${stream}?direction=backwards&limit=${TAIL_EVENTS}`);
  const options = { port, connections: 1, status: 200, eventsPerRequest: TAIL_EVENTS };
  const load = await openLoad({ ...options, next: () => request });
  return { way, run: load.run, close: load.close };
}

/** How many times an append to the large store costs one to the small store, round by round. */
function factorRow(contender: string, small: Row | undefined, large: Row | undefined): Row {
  const factors = (small?.rounds ?? []).map(({ value }, round) =>
    roundOf(value / (large?.rounds[round]?.value ?? Number.NaN)),
  );
  return medianRow({ contender, way: null, settings: "64 in flight" }, factors, factors);
}

/** Appends to stores of two sizes, and the last events of a long stream beside those of a short one. */
async function compareStores(
  stores: readonly [Store, Store],
  { rounds, roundMs }: BenchmarkOptions,
): Promise<readonly WorkResult[]> {
  const compare = async (entries: readonly Entry[]): Promise<Row[]> => {
    const rows = await measure(entries, { rounds, roundMs });
    for (const { task } of entries) await task.close?.();
    return rows;
  };
  const [small, large] = stores;
  const appendsTo = async (connections: number): Promise<Entry[]> => [
    { contender: small.contender, task: await appending(small, connections) },
    { contender: large.contender, task: await appending(large, connections) },
  ];
  const { contender } = small;
  const tails = await compare([
    { contender, task: await readingTail(small, work.streamName(7), "of a stream of 10 events") },
    { contender, task: await readingTail(small, LONG_STREAM, "of a stream of 500,000 events") },
  ]);
  const many = await compare([...(await appendsTo(CONNECTIONS)), small.bare, large.bare]);
  const one = await compare(await appendsTo(1));
  const factors = [factorRow("Kilde", many[0], many[1]), factorRow("bare loop", many[2], many[3])];
  const title = "Appends of one event to stores of two sizes";
  return [
    resultOf("scale-append-64", `${title}, 64 connections`, "events/s", many),
    resultOf("scale-cost", `${title}: cost in the large one over that in the small one`, "times", factors),
    resultOf("scale-append-1", `${title}, 1 connection`, "events/s", one),
    resultOf("scale-tail", "The last 10 events of one stream, 1 connection", "events/s", tails),
  ];
}

export async function measureScale(
  sandbox: Sandbox,
  options: BenchmarkOptions,
): Promise<readonly WorkResult[]> {
  const small = await open(sandbox, options.command, SMALL);
  const large = await open(sandbox, options.command, LARGE);
  try {
    return await compareStores([small, large], options);
  } finally {
    for (const { contender } of [small, large]) await contender.close();
  }
}
