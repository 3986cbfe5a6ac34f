import { join } from "node:path";

import { createClient } from "../../src/client/index.ts";
import { type Contender, type Run, type Task, versionOf } from "./contender.ts";
import { openLoad } from "./load.ts";
import { closedLoop, Latencies } from "./sample.ts";
import { openFollowers } from "./event-stream.ts";
import { anyOf, appendBody, getRequest, inTurn, randomAppends } from "./requests.ts";
import { freePort, type Sandbox } from "./sandbox.ts";
import { CLIENT } from "./ways.ts";
import * as work from "./workload.ts";

export interface KildeOptions {
  /** How Kilde is started: the words before `serve`. */
  readonly command: readonly string[];
}

/** Events as an application has them, made before anything is timed. */
const PARSED = work
  .eventsOf(0, work.STREAMS)
  .map(({ type, data }) => ({ type, data: JSON.parse(data) as unknown }));

function once(action: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | null = null;
  return () => (done ??= action());
}

/** One event to each stream or position, in transactions of {@link work.PAGE}. */
async function appendEach(base: string, count: number, streamOf: (index: number) => string): Promise<void> {
  for (let start = 0; start < count; start += work.PAGE) {
    const appends = work
      .eventsOf(start, work.PAGE)
      .map(
        ({ type, data }, offset) =>
          `{"stream":"${streamOf(start + offset)}","events":[{"type":"${type}","data":${data}}]}`,
      );
    await post(`${base}/transactions`, `{"appends":[${appends.join(",")}]}`);
  }
}

async function post(url: string, body: string): Promise<void> {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, { method: "POST", headers, body });
  const text = await response.text();
  if (response.status !== 201) throw new Error(`POST ${url}: ${response.status} ${text}`);
}

async function getJson(base: string, path: string): Promise<unknown> {
  const response = await fetch(base + path);
  if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
  return response.json();
}

interface WireEvent {
  readonly id: string;
  readonly sequence: string;
  readonly subject: string;
  readonly data: unknown;
}

/** Once, before anything is timed: the events that are read are those that were written. */
function verify(events: readonly WireEvent[], firstPosition: number): void {
  for (const [offset, { id, subject, sequence, data }] of events.entries()) {
    const position = firstPosition + offset;
    const right =
      Number(id) === position + 1 &&
      subject === work.historyStream(position) &&
      Number(sequence) === Math.floor(position / work.HISTORY_STREAMS) + 1 &&
      JSON.stringify(data) === work.eventOf(position).data;
    if (!right)
      throw new Error(`position ${position + 1} is not the written event: ${id} ${subject} ${sequence}`);
  }
}

/** Kilde as its own process on an embedded file in a new folder. The access log is off, as the peers have none. */
export async function startKilde(sandbox: Sandbox, { command }: KildeOptions): Promise<Contender> {
  const port = freePort();
  const base = `http://127.0.0.1:${port}`;
  const file = join(sandbox.folder("kilde"), "kilde.db");
  const server = await sandbox.start({
    name: "kilde",
    command: [...command, "serve", "--database-url", `file:${file}`, "--port", String(port)],
    env: { KILDE_ACCESS_LOG: "false" },
    ready: () => getJson(base, "/health"),
  });
  const stored = async () => {
    const response = await fetch(`${base}/events?limit=1`);
    await response.arrayBuffer();
    return Number(response.headers.get("kilde-head"));
  };

  // Once for all works: the streams exist, as they do in a store that is in use.
  const seeded = once(() => appendEach(base, work.STREAMS, work.streamName));
  const appends = async (connections: number, eventsPerRequest: number): Promise<readonly Task[]> => {
    await seeded();
    const next = randomAppends(port, eventsPerRequest);
    const load = await openLoad({ port, connections, next, status: 201, eventsPerRequest });
    return [{ way: "HTTP", run: load.run, stored, close: load.close }];
  };
  const reads = async (
    connections: number,
    paths: readonly string[],
    next: <Value>(values: readonly Value[]) => () => Value,
    eventsPerRequest: number,
  ): Promise<readonly Task[]> => {
    const requests = paths.map((path) => getRequest(port, path));
    const load = await openLoad({ port, connections, next: next(requests), status: 200, eventsPerRequest });
    const path = next(paths);
    const parsed: Run = (durationMs) =>
      closedLoop(connections, durationMs, async () => {
        const at = path();
        const events = (await getJson(base, at)) as readonly WireEvent[];
        if (events.length !== eventsPerRequest) throw new Error(`${events.length} events in ${at}`);
        return events.length;
      });
    return [
      { way: "HTTP, on the wire", run: load.run, close: load.close },
      { way: "HTTP, fetch (gzip) and JSON.parse", run: parsed },
    ];
  };

  const appendByClient = async (inFlight: number): Promise<readonly Task[]> => {
    await seeded();
    const client = createClient({ url: base });
    const run: Run = (durationMs) =>
      closedLoop(inFlight, durationMs, async () => {
        const event = PARSED[work.randomBelow(PARSED.length)] ?? [];
        await client.append(work.streamName(work.randomBelow(work.STREAMS)), event);
        return 1;
      });
    return [{ way: "kilde/client", run, stored }];
  };

  /** Reads the whole log in order, again and again; a page is {@link work.PAGE} events. */
  const readByClient: Run = async (durationMs) => {
    const client = createClient({ url: base });
    const latencies = new Latencies();
    const started = performance.now();
    const until = started + durationMs;
    let events = 0;
    let pageStarted = started;
    while (pageStarted < until) {
      for await (const event of client.read()) {
        if (event.data === undefined) throw new Error(`event ${event.id} has no data`);
        events += 1;
        if (events % work.PAGE !== 0) continue;
        const now = performance.now();
        latencies.add(now - pageStarted);
        pageStarted = now;
        if (now >= until) break;
      }
    }
    const seconds = (pageStarted - started) / 1_000;
    return { operations: latencies.length, events, seconds, latenciesMs: latencies.ascending() };
  };

  return {
    name: "Kilde",
    version: versionOf([...command, "--version"]),
    settings: `${command.join(" ")} serve, access log off`,
    pid: server.pid,
    singles: (inFlight) => appends(inFlight, 1),
    clientSingles: appendByClient,
    batches: (inFlight) => appends(inFlight, work.BATCH),
    fill: () => appendEach(base, work.HISTORY, work.historyStream),
    async pages() {
      const starts = Array.from({ length: work.HISTORY / work.PAGE }, (_, page) => page * work.PAGE);
      const paths = starts.map((start) => `/events?lastEventId=${start}&limit=${work.PAGE}`);
      for (const [page, path] of paths.entries()) {
        const events = (await getJson(base, path)) as readonly WireEvent[];
        if (events.length !== work.PAGE) throw new Error(`${events.length} events in ${path}`);
        verify(events, page * work.PAGE);
      }
      return [...(await reads(1, paths, inTurn, work.PAGE)), { way: CLIENT, run: readByClient }];
    },
    async streams(inFlight) {
      const paths = Array.from(
        { length: work.HISTORY_STREAMS },
        (_, index) => `/streams/${work.streamName(index)}`,
      );
      return reads(inFlight, paths, anyOf, work.HISTORY_VERSIONS);
    },
    async follow(count, onDelivery) {
      const request = getRequest(port, "/events", ["Accept: text/event-stream"]);
      const close = await openFollowers(port, request, count, onDelivery);
      return {
        way: "server-sent events, a connection each",
        append: (n) => post(`${base}/streams/${work.streamName(n)}`, appendBody([work.eventOf(n)])),
        close,
      };
    },
    close: () => server.stop(),
  };
}
