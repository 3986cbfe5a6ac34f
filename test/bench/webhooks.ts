import { createHmac } from "node:crypto";
import { join } from "node:path";

import type { BenchmarkOptions } from "./course.ts";
import { append, type KildeServer, SECRET_KEY, startServer } from "./kilde-server.ts";
import { medianRow } from "./measure.ts";
import { latencyRound, type Round, type Row, roundOf } from "./results.ts";
import { freePort, type Sandbox, type Server } from "./sandbox.ts";
import * as work from "./workload.ts";

/* Webhooks: how fast a backlog is delivered, how soon an event arrives, and what a subject that fails costs the others. */

const BACKLOG_EVENTS = 100_000;
const BACKLOG_STREAMS = 5_000;
const IN_FLIGHT = 64;

/** Events a second, and for how long, while it is measured how soon they arrive. */
const LATENCY_RATE = 1_000;
const LATENCY_SECONDS = 4;
const LATENCY_STREAMS = 10_000;

export interface Receiver {
  readonly url: string;
  state(): Promise<{ count: number; outOfOrder: number; latencies: number[] }>;
  reset(): Promise<void>;
  readonly server: Server;
}

export async function startReceiver(sandbox: Sandbox): Promise<Receiver> {
  const port = freePort();
  const base = `http://127.0.0.1:${port}`;
  const get = async () => {
    const response = await fetch(base);
    return (await response.json()) as { count: number; outOfOrder: number; latencies: number[] };
  };
  const command = [process.execPath, join(import.meta.dir, "receiver.ts"), String(port)];
  const server = await sandbox.start({ name: "receiver", command, ready: get });
  return {
    url: `${base}/hook`,
    state: get,
    server,
    async reset() {
      await fetch(`${base}/reset`, { method: "POST" });
    },
  };
}

/** Milliseconds until so many events have arrived, all in order. */
async function untilArrived(receiver: Receiver, count: number): Promise<number> {
  const started = performance.now();
  for (;;) {
    const state = await receiver.state();
    if (state.outOfOrder > 0) throw new Error(`${state.outOfOrder} events arrived out of order`);
    if (state.count >= count) return performance.now() - started;
    await Bun.sleep(10);
  }
}

/** Requests a second of a loop that signs and posts the same events, and keeps nothing. */
async function bareRate(receiver: Receiver): Promise<number> {
  const events = Array.from({ length: BACKLOG_EVENTS }, (_, index) => {
    const { type, data } = work.eventOf(index);
    const sequence = String(Math.floor(index / BACKLOG_STREAMS) + 1).padStart(16, "0");
    return `{"specversion":"1.0","id":"${index + 1}","source":"/events","type":"${type}","subject":"s-${index % BACKLOG_STREAMS}","time":"2026-01-01T00:00:00.000Z","sequence":"${sequence}","datacontenttype":"application/json","data":${data}}`;
  });
  let next = 0;
  const loop = async () => {
    for (let index = next++; index < events.length; index = next++) {
      const body = events[index] ?? "";
      const timestamp = Math.floor(Date.now() / 1_000);
      const id = `msg_${index}`;
      const signature = createHmac("sha256", SECRET_KEY)
        .update(`${id}.${timestamp}.${body}`)
        .digest("base64");
      const response = await fetch(receiver.url, {
        method: "POST",
        headers: {
          "content-type": "application/cloudevents+json",
          "webhook-id": id,
          "webhook-timestamp": String(timestamp),
          "webhook-signature": `v1,${signature}`,
        },
        body,
      });
      await response.arrayBuffer();
      if (!response.ok) throw new Error(`the receiver answered ${response.status}`);
    }
  };
  const started = performance.now();
  await Promise.all(Array.from({ length: IN_FLIGHT }, loop));
  return (BACKLOG_EVENTS * 1_000) / (performance.now() - started);
}

/** Events delivered a second, from a new subscription until all of a backlog has arrived. */
export async function measureDeliveries(
  sandbox: Sandbox,
  { command, rounds }: BenchmarkOptions,
): Promise<Row[]> {
  const kilde = await startServer(sandbox, command);
  const receiver = await startReceiver(sandbox);
  await append(kilde, BACKLOG_EVENTS, BACKLOG_STREAMS);
  const found: Record<"single" | "batch" | "bare", Round[]> = { single: [], batch: [], bare: [] };
  for (let round = 0; round < rounds; round += 1) {
    for (const mode of ["single", "batch"] as const) {
      await receiver.reset();
      const started = performance.now();
      const { subscription } = await kilde.request<{ subscription: string }>("POST", "/subscriptions", {
        source: "/events",
        url: receiver.url,
        start: "beginning",
        mode,
        concurrency: IN_FLIGHT,
      });
      await untilArrived(receiver, BACKLOG_EVENTS);
      found[mode].push(roundOf((BACKLOG_EVENTS * 1_000) / (performance.now() - started)));
      await kilde.request("DELETE", `/subscriptions/${subscription}`);
    }
    await receiver.reset();
    found.bare.push(roundOf(await bareRate(receiver)));
  }
  await kilde.server.stop();
  await receiver.server.stop();
  const settings = command.join(" ");
  return [
    medianRow({ contender: "Kilde", way: "an event in each request", settings }, found.single, found.single),
    medianRow({ contender: "Kilde", way: "batches of 100", settings }, found.batch, found.single),
    medianRow(
      { contender: "bare loop", way: "sign and POST", settings: "fetch, node:crypto" },
      found.bare,
      found.single,
    ),
  ];
}

/** From the moment an event is handed to an append until the receiver has it. */
async function latenciesOf(kilde: KildeServer, receiver: Receiver): Promise<number[]> {
  await receiver.reset();
  const total = LATENCY_RATE * LATENCY_SECONDS;
  const started = performance.now();
  const appends: Promise<unknown>[] = [];
  for (let n = 0; n < total; n += 1) {
    const dueMs = started + (n * 1_000) / LATENCY_RATE;
    if (performance.now() < dueMs) await Bun.sleep(dueMs - performance.now());
    const sentMs = performance.timeOrigin + performance.now();
    const events = [{ type: "Happened", data: { number: n, sentMs } }];
    appends.push(kilde.request("POST", `/streams/l-${n % LATENCY_STREAMS}`, { events }));
  }
  await Promise.all(appends);
  for (;;) {
    const { latencies } = await receiver.state();
    if (latencies.length >= total) return latencies.toSorted((a, b) => a - b);
    await Bun.sleep(20);
  }
}

/** How soon events arrive at 1,000 a second: all well, and with one subject that is never taken among the others. */
export async function measureDeliveryLatency(
  sandbox: Sandbox,
  { command, rounds }: BenchmarkOptions,
): Promise<Row[]> {
  const found: Record<"well" | "poisoned", Round[]> = { well: [], poisoned: [] };
  for (let round = 0; round < rounds; round += 1) {
    for (const kind of ["well", "poisoned"] as const) {
      const kilde = await startServer(sandbox, command);
      const receiver = await startReceiver(sandbox);
      await kilde.request("POST", "/subscriptions", {
        source: "/events",
        url: receiver.url,
        start: "beginning",
      });
      if (kind === "poisoned") {
        const events = Array.from({ length: 20 }, () => ({ type: "Happened", data: {} }));
        await kilde.request("POST", "/streams/poisoned", { events });
        await Bun.sleep(200);
      }
      const latencies = await latenciesOf(kilde, receiver);
      found[kind].push(latencyRound(latencies));
      await kilde.server.stop();
      await receiver.server.stop();
    }
  }
  const settings = command.join(" ");
  return [
    medianRow({ contender: "Kilde", way: "all subjects well", settings }, found.well, found.well),
    medianRow(
      { contender: "Kilde", way: "one subject is never taken", settings },
      found.poisoned,
      found.well,
    ),
  ];
}
