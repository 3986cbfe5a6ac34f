import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { eventually } from "../support/eventually.ts";
import { jsonPost, TEST_SECRET_KEY } from "../support/app.ts";
import { buildBinary } from "../support/built-binary.ts";
import { startServer } from "../support/process.ts";

/*
 * Many subjects of one subscription are blocked, in the compiled program: its memory stays within a bound, also while
 * they become blocked, and the other subjects are delivered as if there were none.
 */

const BLOCKED = Number(process.env["KILDE_BLOCKED_SUBJECTS"] ?? 200_000);
/** Resident memory that the blocked subjects add to the process, including deliveries at full speed and caches. */
const MOST_MEMORY_MIB = 256;
/** Part of that memory that remains when they are only retried. */
const MOST_RESTING_MIB = 128;
const MOST_P99_MS = 250;
const TIMEOUT_MS = 900_000;

/** Streams of one transaction, every sixth of them healthy: an endpoint that acknowledges nothing counts as down. */
const STREAMS = 600;
const HEALTHY_EVERY = 6;

const MEASURED_EVENTS = 1_500;
const MEASURED_STREAMS = 50;
const MEASURED_EVERY_MS = 5;

/** Time after which the memory of the appends is freed. */
const REST_MS = 5_000;

const { program } = buildBinary();
const folder = mkdtempSync(join(tmpdir(), "kilde-blocked-"));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Delivered {
  readonly subject: string;
  readonly data?: { readonly sentMs?: number };
}

/** Rejects subjects named `bad-…`, and records the latency of the others. */
function startReceiver() {
  const waitsMs: number[] = [];
  let refused = 0;
  const server = Bun.serve({
    port: 0,
    async fetch(request) {
      const { subject, data } = (await request.json()) as Delivered;
      if (subject.startsWith("bad-")) {
        refused += 1;
        return new Response(null, { status: 500 });
      }
      if (data?.sentMs !== undefined) waitsMs.push(performance.now() - data.sentMs);
      return new Response(null, { status: 204 });
    },
  });
  const url = `http://127.0.0.1:${server.port}/hook`;
  return { url, waitsMs, refused: () => refused, stop: () => server.stop(true) };
}

function memoryMib(pid: number, name: "VmRSS" | "VmHWM"): number {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  return Math.round(Number(new RegExp(`${name}:\\s+(\\d+)`).exec(status)?.[1]) / 1_024);
}

/** Resets the peak memory of a process. */
const resetPeak = (pid: number) => writeFileSync(`/proc/${pid}/clear_refs`, "5");

async function post(url: string, body: unknown): Promise<void> {
  const response = await fetch(url, jsonPost(body));
  if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
}

/** Appends one event to each of as many new streams as there are to be blocked, with healthy ones between them. */
async function appendStreams(url: string): Promise<void> {
  const bad = STREAMS - STREAMS / HEALTHY_EVERY;
  for (let page = 0; page * bad < BLOCKED; page += 1) {
    const appends = Array.from({ length: STREAMS }, (_, index) => ({
      stream: `${index % HEALTHY_EVERY === 0 ? "good" : "bad"}-${page * STREAMS + index}`,
      events: [{ type: "Happened", data: { index } }],
    }));
    await post(`${url}/transactions`, { appends });
  }
}

interface State {
  readonly subscriptions: readonly { readonly lag: { readonly events: number }; readonly blocked: number }[];
}

async function blockedOf(url: string): Promise<number> {
  const { subscriptions } = (await (await fetch(`${url}/subscriptions`)).json()) as State;
  return subscriptions[0]?.blocked ?? 0;
}

test(
  `${BLOCKED} blocked subjects take little memory, and do not delay the others`,
  async () => {
    const receiver = startReceiver();
    const environment = { KILDE_SECRET_KEYS: TEST_SECRET_KEY, KILDE_EGRESS_ALLOW: "127.0.0.1" };
    const server = await startServer(`file:${join(folder, "kilde.db")}`, environment, program);
    const { url, pid } = server;
    const note = (label: string) =>
      console.log(`${label}: ${memoryMib(pid, "VmRSS")} MiB, at most ${memoryMib(pid, "VmHWM")} MiB so far`);
    await appendStreams(url);
    note("appended");
    await Bun.sleep(REST_MS);
    resetPeak(pid);
    note("at rest");
    const beforeMib = memoryMib(pid, "VmRSS");
    await post(`${url}/subscriptions`, {
      source: "/events",
      url: receiver.url,
      start: "beginning",
      concurrency: 32,
    });
    await eventually(async () => (await blockedOf(url)) >= BLOCKED, { withinMs: TIMEOUT_MS, pollMs: 500 });
    note("blocked");

    for (let n = 0; n < MEASURED_EVENTS; n += 1) {
      const event = { type: "Happened", data: { sentMs: performance.now() } };
      await post(`${url}/streams/measured-${n % MEASURED_STREAMS}`, { events: [event] });
      await Bun.sleep(MEASURED_EVERY_MS);
    }
    await eventually(() => receiver.waitsMs.length >= MEASURED_EVENTS, { withinMs: TIMEOUT_MS, pollMs: 100 });
    note("measured");
    const waitsMs = receiver.waitsMs.toSorted((a, b) => a - b);
    const p99Ms = waitsMs[Math.floor(waitsMs.length * 0.99)] ?? Number.POSITIVE_INFINITY;
    console.log(
      `${receiver.refused()} refused; others: p50 ${waitsMs[waitsMs.length >> 1]} ms, p99 ${p99Ms} ms`,
    );
    const [restingMib, mostMib] = [memoryMib(pid, "VmRSS"), memoryMib(pid, "VmHWM")];
    await server.kill("SIGKILL");
    await receiver.stop();
    expect(p99Ms).toBeLessThan(MOST_P99_MS);
    expect(mostMib - beforeMib).toBeLessThanOrEqual(MOST_MEMORY_MIB);
    expect(restingMib - beforeMib).toBeLessThanOrEqual(MOST_RESTING_MIB);
  },
  TIMEOUT_MS,
);
