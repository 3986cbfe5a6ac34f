import { afterAll, beforeAll, expect, test } from "bun:test";

import { jsonText } from "../../src/core/json.ts";
import { DEFAULT_LIMITS } from "../../src/core/limits.ts";
import { deliverInSlices } from "../../src/webhooks/dispatch/slice.ts";
import type { EndpointAnswer, Outgoing } from "../../src/webhooks/egress/outgoing.ts";
import { openDatabase } from "../../src/storage/open.ts";
import { openLogReader } from "../../src/log/read/reader.ts";
import { eventually } from "../support/eventually.ts";
import { openTestStore, type ComposedStore } from "../support/open-store.ts";
import { writeBatch } from "../../src/storage/batch-writer.ts";
import { systemClock } from "../../src/core/system-clock.ts";
import { jsonPost, TEST_SECRET_KEY } from "../support/app.ts";
import { chanceOf } from "../support/chance.ts";
import { type Fate, type FaultyProxy, startFaultyProxy } from "../support/faulty-proxy.ts";
import { type ServerProcess, startServer } from "../support/process.ts";
import { hasSqld, type Sqld, SQLD_FLAGS, startSqld } from "../support/sqld.ts";

/*
 * Dispatchers of a real server end again and again, by PATCH, pause, SIGTERM and at the end of a worker's slice, while
 * the libSQL server that stores their progress is slow, and fails before or after it has executed a write. Every event
 * must arrive, in order for each subject. Repeated events are counted, and printed.
 */

const ENDS = Number(process.env["KILDE_DELIVERY_ENDS"] ?? 1_000);
const SEED = Number(process.env["KILDE_SEED"] ?? Date.now() % 1_000_000);
const SUBSCRIPTIONS = 8;
const SUBJECTS = 40;
const EVENTS_A_ROUND = 48;
/** Rounds after which the server process is ended; each round ends every dispatcher once. */
const ROUNDS_A_PROCESS = 8;
/** Slices between two processes; each lasts about as long beyond what it keeps for its end. */
const SLICES = 4;
const SLICE_MS = 3_000;
const TIMEOUT_MS = 120_000 + ENDS * 3_000;

const ENVIRONMENT = { KILDE_SECRET_KEYS: TEST_SECRET_KEY, KILDE_EGRESS_ALLOW: "127.0.0.1" };

interface Shown {
  readonly subscription: string;
  readonly cursor: number;
  readonly blocked: number;
  readonly status: string;
}

const chance = chanceOf(SEED);
const upTo = (most: number) => Math.floor(chance() * most);

/** Whether storage and the receiver fail and are slow. */
let isStormy = false;

function startReceiver() {
  /** By path, the acknowledged events. */
  const taken = new Map<string, Set<string>>();
  const counts = { requests: 0, repeated: 0, inverted: 0 };
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      counts.requests += 1;
      const { pathname } = new URL(request.url);
      const body = (await request.json()) as object;
      const events = (Array.isArray(body) ? body : [body]) as { subject: string; sequence: string }[];
      if (isStormy) {
        await Bun.sleep(upTo(chance() < 0.02 ? 1_500 : 40));
        if (chance() < 0.1) return new Response(null, { status: [400, 500, 503][upTo(3)] ?? 500 });
      }
      const before = taken.get(pathname) ?? new Set();
      taken.set(pathname, before);
      for (const { subject, sequence } of events) {
        const version = Number(sequence);
        if (before.has(`${subject} ${version}`)) counts.repeated += 1;
        else if (version > 1 && !before.has(`${subject} ${version - 1}`)) counts.inverted += 1;
        before.add(`${subject} ${version}`);
      }
      return new Response(null, { status: 204 });
    },
  });
  return { taken, counts, url: `http://127.0.0.1:${server.port}`, stop: () => server.stop(true) };
}

let sqld: Sqld;
let proxy: FaultyProxy;
let store: ComposedStore;
const fates = { through: 0, lost: 0, unanswered: 0 };

beforeAll(async () => {
  if (!hasSqld) return;
  sqld = await startSqld(SQLD_FLAGS);
  proxy = startFaultyProxy(sqld.url, async (request) => {
    if (!isStormy) return "through";
    await Bun.sleep(upTo(chance() < 0.05 ? 800 : 60));
    // Progress is tested; other failures only take time.
    const share = request.includes("subscription_subjects") ? 0.2 : 0.03;
    const kind = chance();
    const fate: Fate = kind < share ? "lost" : kind < 1.5 * share ? "unanswered" : "through";
    fates[fate] += 1;
    return fate;
  });
  // Appends go directly to storage: they are not tested here.
  const database = openDatabase({ url: sqld.url });
  store = await openTestStore({ database, clock: systemClock, limits: DEFAULT_LIMITS, pollIntervalMs: 100 });
});

afterAll(async () => {
  if (!hasSqld) return;
  await store.writer.close();
  await proxy.stop();
  await sqld.stop();
});

/** Repeats a request until it succeeds: any call to storage may fail. */
async function insist<Body>(url: string, init: RequestInit = {}): Promise<Body> {
  for (;;) {
    const response = await fetch(url, init).catch(() => null);
    if (response?.ok === true) return (await response.json().catch(() => null)) as Body;
    if (response !== null && response.status < 500)
      throw new Error(`${response.status} ${await response.text()}`);
    await Bun.sleep(20);
  }
}

async function append(): Promise<void> {
  const parts = Array.from({ length: EVENTS_A_ROUND / 2 }, () => `s-${upTo(SUBJECTS)}`);
  for (const subject of new Set(parts)) {
    const event = { type: "A", time: null, data: jsonText({ n: 1 }), extensions: null };
    const part = { subject, expectedVersion: "any", erases: false, events: [event, event] } as const;
    await store.writer.append({ parts: [part], idempotency: null });
  }
}

async function send({ url, headers, body }: Outgoing, signal?: AbortSignal): Promise<EndpointAnswer> {
  const began = performance.now();
  const response = await fetch(url, { method: "POST", headers, body, ...(signal && { signal }) });
  const durationMs = performance.now() - began;
  return {
    kind: "answered",
    status: response.status,
    durationMs,
    header: (name) => response.headers.get(name),
  };
}

/** Delivers as a worker does, for a slice. */
async function run(): Promise<void> {
  const database = openDatabase({ url: proxy.url });
  const deps = { database, clock: systemClock, limits: DEFAULT_LIMITS, pollIntervalMs: 100 };
  const work = deliverInSlices({
    database,
    writer: { write: (statements) => writeBatch(database, systemClock, statements), sweep: () => {} },
    clock: systemClock,
    chance,
    holder: crypto.randomUUID(),
    send,
    secretsOf: () => Promise.resolve({ sign: () => "v1,of-the-test", headers: {} }),
    readerOf: (log) => openLogReader(deps, log),
    blockedSubjects: 1_000,
    mostRetryAfterMs: 1_000,
    onEvent: () => {},
  });
  const ended = new AbortController();
  const lengthMs = 300 + upTo(1_000);
  const abrupt = setTimeout(() => ended.abort(), upTo(2 * lengthMs));
  const deadline = systemClock.monotonic() + SLICE_MS + lengthMs;
  // Its reads may have failed; the next slice continues.
  await work.run({ deadline, signal: ended.signal }).catch(() => "idle");
  clearTimeout(abrupt);
  ended.abort();
  database.close();
}

test.skipIf(!hasSqld)(
  `${ENDS} ends of dispatchers on a slow and failing libSQL server lose no event`,
  async () => {
    const receiver = startReceiver();
    let server: ServerProcess = await startServer(proxy.url, ENVIRONMENT);
    const paths: string[] = [];
    for (let number = 0; number < SUBSCRIPTIONS; number += 1) {
      const made = await insist<Shown>(
        `${server.url}/subscriptions`,
        jsonPost({ source: "/events", url: `${receiver.url}/${number}`, start: "beginning" }),
      );
      paths.push(`/subscriptions/${made.subscription}`);
    }
    const ends = { patch: 0, pause: 0, sigterm: 0, slice: 0 };
    const total = () => ends.patch + ends.pause + ends.sigterm + ends.slice;
    const endOne = async (path: string, number: number) => {
      await Bun.sleep(upTo(250));
      const url = server.url + path;
      if (chance() < 0.25) {
        ends.pause += 1;
        await insist(`${url}/pause`, { method: "POST" });
        await Bun.sleep(upTo(50));
        await insist(`${url}/resume`, { method: "POST" });
        return;
      }
      ends.patch += 1;
      const changes = [
        { url: `${receiver.url}/${number}?v=${upTo(1_000)}` },
        { mode: "single" },
        { mode: "batch", batch: { events: 2 + upTo(30) } },
        { concurrency: 1 + upTo(64) },
      ];
      const init = { ...jsonPost(changes[upTo(changes.length)]), method: "PATCH" };
      await insist(url, init);
    };

    for (let round = 1; total() < ENDS; round += 1) {
      isStormy = true;
      const appended = append();
      await Promise.all(paths.map(endOne));
      await appended;
      if (round % ROUNDS_A_PROCESS > 0) continue;
      await append();
      await Bun.sleep(upTo(100));
      // Each of its dispatchers ends.
      ends.sigterm += SUBSCRIPTIONS;
      await server.kill("SIGTERM");
      for (let slice = 0; slice < SLICES; slice += 1) {
        ends.slice += 1;
        await run();
      }
      isStormy = false;
      server = await startServer(proxy.url, ENVIRONMENT);
    }

    isStormy = false;
    for (const path of paths) await insist(`${server.url + path}/resume`, { method: "POST" });
    const head = await store.reader.head();
    const isThrough = async () => {
      const shown = await Promise.all(paths.map((path) => insist<Shown>(server.url + path)));
      return shown.every(({ cursor, blocked }) => cursor === head && blocked === 0);
    };
    await eventually(isThrough, { withinMs: TIMEOUT_MS, pollMs: 200 });
    const lost = paths.map((_, number) => head - (receiver.taken.get(`/${number}`)?.size ?? 0));
    const { counts } = receiver;
    console.log(
      `seed ${SEED}: ${total()} ends ${JSON.stringify(ends)}; requests to storage ${JSON.stringify(fates)}; ` +
        `${head} events for ${SUBSCRIPTIONS} subscriptions: lost ${lost.join(" ")}, ${counts.inverted} inverted, ${counts.repeated} repeated`,
    );
    await server.kill("SIGTERM");
    await receiver.stop();
    expect(lost).toEqual(paths.map(() => 0));
    expect(counts.inverted).toBe(0);
  },
  TIMEOUT_MS,
);
