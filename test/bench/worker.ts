import type { BenchmarkOptions } from "./course.ts";
import { hasSqld, startSqld } from "../support/sqld.ts";
import { startWorker } from "../support/worker.ts";
import { medianRow } from "./measure.ts";
import { NOT_TAKEN, type Round, type Row } from "./results.ts";
import { quantile } from "./sample.ts";
import { freePort, type Sandbox } from "./sandbox.ts";
import * as work from "./workload.ts";

/* The worker in workerd, and a server beside it, on the same libSQL server: one request at a time. */

const REQUESTS = 200;
const WARM_UP_REQUESTS = 30;
const PAGE_EVENTS = 100;

interface Target {
  readonly contender: string;
  readonly settings: string;
  readonly url: string;
  readonly rounds: Record<Way, Round[]>;
}

type Way = "append" | "read a stream" | "read a page";

const WAYS: readonly Way[] = ["append", "read a stream", "read a page"];

function request(way: Way, n: number): { readonly path: string; readonly init?: RequestInit } {
  if (way === "read a stream") return { path: "/streams/read" };
  if (way === "read a page") return { path: `/events?limit=${PAGE_EVENTS}` };
  const { type, data } = work.eventOf(n);
  const body = `{"events":[{"type":"${type}","data":${data}}]}`;
  const init = { method: "POST", headers: { "content-type": "application/json" }, body };
  return { path: `/streams/s-${n % work.STREAMS}`, init };
}

async function latencies(url: string, way: Way, count: number): Promise<number[]> {
  const taken: number[] = [];
  for (let n = 0; n < count; n += 1) {
    const { path, init } = request(way, n);
    const started = performance.now();
    const response = await fetch(`${url}${path}`, init);
    const text = await response.text();
    if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
    taken.push(performance.now() - started);
  }
  return taken.toSorted((a, b) => a - b);
}

async function fill(url: string): Promise<void> {
  const events = work.eventsOf(0, work.HISTORY_VERSIONS);
  const response = await fetch(`${url}/streams/read`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({
      events: events.map(({ type, data }) => ({ type, data: JSON.parse(data) as unknown })),
    }),
  });
  if (response.status !== 201) throw new Error(await response.text());
}

/** Time of one request, by the worker and by a server; nothing where there is no libSQL server. */
export async function measureWorker(sandbox: Sandbox, { command, rounds }: BenchmarkOptions): Promise<Row[]> {
  if (!hasSqld) return [];
  const sqld = await startSqld();
  const worker = await startWorker({ databaseUrl: sqld.url, options: { databaseCalls: null } });
  const port = freePort();
  const server = await sandbox.start({
    name: "kilde-on-sqld",
    command: [...command, "serve", "--database-url", sqld.url, "--port", String(port)],
    pollMs: 10,
    ready: () => fetch(`http://127.0.0.1:${port}/health`),
  });
  const found = (): Record<Way, Round[]> => ({ append: [], "read a stream": [], "read a page": [] });
  const targets: Target[] = [
    { contender: "Kilde, worker", settings: "workerd, on sqld", url: worker.url, rounds: found() },
    {
      contender: "Kilde, server",
      settings: `${command.join(" ")}, on sqld`,
      url: `http://127.0.0.1:${port}`,
      rounds: found(),
    },
  ];
  await fill(worker.url);
  for (const { url } of targets) for (const way of WAYS) await latencies(url, way, WARM_UP_REQUESTS);
  for (let round = 0; round < rounds; round += 1) {
    for (const way of WAYS) {
      for (const target of targets) {
        const taken = await latencies(target.url, way, REQUESTS);
        const p50 = quantile(taken, 0.5);
        const p99Ms = quantile(taken, 0.99);
        target.rounds[way].push({ ...NOT_TAKEN, value: p50, p50Ms: p50, p99Ms });
      }
    }
  }
  await server.stop();
  await worker.stop();
  await sqld.stop();
  return WAYS.flatMap((way) =>
    targets.map(({ contender, settings, rounds: taken }) =>
      medianRow({ contender, way, settings }, taken[way], targets[0]?.rounds[way] ?? []),
    ),
  );
}
