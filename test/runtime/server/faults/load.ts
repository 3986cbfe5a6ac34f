import { jsonPost } from "../../../support/app.ts";
import { chanceOf } from "../../../support/chance.ts";
import { type Placed, placesOf } from "../../../log/load.ts";
import type { Node } from "./cluster.ts";

const CLIENTS = 6;
const STREAMS = 30;

/** Pause of a client between two requests, and before it repeats one, in milliseconds. */
const PAUSE_MS = 30;
const REPEAT_MS = 100;

/** After this long without an answer a client asks somebody else. More than a server may take to refuse. */
const PATIENCE_MS = 15_000;

/** Within which `progress` must be made: whatever was given up on has to be over by then. */
const PROGRESS_MS = 60_000;

/** An answer that was not the append's. */
export interface Refusal {
  readonly status: number;
  readonly type: string;
  readonly remedy: string;
  readonly waitedMs: number;
}

/** Clients that append, each request for as long as it takes until it is acknowledged. */
export interface Load {
  /** Acknowledged events whose answer has their place; appends by others are added. */
  readonly acknowledged: Placed[];
  /** Ids of events that others may have appended. */
  readonly uncertain: Set<string>;
  readonly refusals: readonly Refusal[];
  /** How long clients waited at most for an answer of any kind. */
  longestMs(): number;
  /** The longest time in which nothing was acknowledged. */
  longestSilenceMs(): number;
  /** Number of answers that repeat a first one: the events had been written, but the client had no answer. */
  replayed(): number;
  /** Resolves when so many more events are acknowledged, by anyone. */
  progress(events: number): Promise<void>;
  /** Ends when all that was begun is acknowledged. */
  stop(): Promise<void>;
}

export interface LoadOptions {
  readonly seed: number;
  /** The nodes that may be asked, at the time. */
  readonly nodes: () => readonly Node[];
  /** Each has one request at a time. Default: 6. */
  readonly clients?: number;
}

export function startLoad({ seed, nodes, clients: count = CLIENTS }: LoadOptions): Load {
  const chance = chanceOf(seed);
  const below = (bound: number) => Math.floor(chance() * bound);
  const acknowledged: Placed[] = [];
  const refusals: Refusal[] = [];
  let replayed = 0;
  let longestMs = 0;
  let lastMs = performance.now();
  let longestSilenceMs = 0;
  let stopped = false;

  const newAppends = (key: string) =>
    Array.from({ length: 1 + below(3) }, (_, part) => ({
      stream: `s-${below(STREAMS)}`,
      events: Array.from({ length: 1 + below(3) }, (__, index) => ({
        type: "Added",
        data: { id: `${key}/${part}/${index}`, n: 1 + below(5) },
      })),
    }));

  const attempt = async (key: string, body: RequestInit): Promise<unknown> => {
    const candidates = nodes();
    const node = candidates[below(candidates.length)];
    if (node === undefined) return null;
    const started = performance.now();
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const response = await node.fetch("/transactions", { ...body, signal }).catch(() => null);
    const text = await response?.text().catch(() => null);
    const waitedMs = performance.now() - started;
    longestMs = Math.max(longestMs, waitedMs);
    if (response === null || text === null || text === undefined) return null;
    if (response.status === 201) {
      if (response.headers.has("idempotency-replayed")) replayed += 1;
      return JSON.parse(text) as unknown;
    }
    const { type, remedy } = JSON.parse(text) as { type: string; remedy: string };
    if (response.status !== 503) throw new Error(`${key}: ${response.status} ${text}`);
    refusals.push({ status: response.status, type, remedy, waitedMs });
    return null;
  };

  const client = async (name: number) => {
    for (let number = 0; !stopped; number += 1) {
      const key = `${seed}/${name}/${number}`;
      const appends = newAppends(key);
      const body = jsonPost({ appends }, { "Idempotency-Key": key });
      let answer = await attempt(key, body);
      while (answer === null) {
        await Bun.sleep(REPEAT_MS);
        answer = await attempt(key, body);
      }
      acknowledged.push(...placesOf(appends, answer));
      const now = performance.now();
      longestSilenceMs = Math.max(longestSilenceMs, now - lastMs);
      lastMs = now;
      await Bun.sleep(below(2 * PAUSE_MS));
    }
  };
  const clients = Promise.all(Array.from({ length: count }, (_, name) => client(name)));
  // `stop` reports the failure.
  clients.catch(() => {});

  return {
    acknowledged,
    uncertain: new Set(),
    refusals,
    longestMs: () => longestMs,
    longestSilenceMs: () => longestSilenceMs,
    replayed: () => replayed,
    async progress(events) {
      const wanted = acknowledged.length + events;
      const end = Date.now() + PROGRESS_MS;
      while (acknowledged.length < wanted) {
        await Promise.race([clients, Bun.sleep(10)]);
        if (Date.now() > end) throw new Error(`${wanted - acknowledged.length} events are not acknowledged`);
      }
    },
    async stop() {
      stopped = true;
      await clients;
    },
  };
}
