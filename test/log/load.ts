import { expect } from "bun:test";
import fc from "fast-check";

import { jsonPost, type WireEvent } from "../support/app.ts";
import { type Cluster, type Node, nodeOf } from "../support/store.ts";
import { follow } from "./sent-events.ts";

/** The appends of one client, one request after the other. */
export interface Writer {
  readonly node: number;
  readonly requests: readonly Request[];
}

interface Request {
  /** Numbers of the streams; more than one make a transaction, which may name a stream twice. */
  readonly streams: readonly number[];
  /** Events for each of them. */
  readonly count: number;
  /** States the version that the first stream had when the client last heard of it. */
  readonly conditional: boolean;
  /** Sent twice at the same time with an idempotency key, the second time to the next server. */
  readonly twice: boolean;
  readonly pauseMs: number;
}

/** Somebody who reads on from the beginning while others append. */
export interface Reader {
  readonly node: number;
  readonly how: "follow" | "pages" | "long-poll";
  readonly limit: number;
  /** A stream's number, or null for the whole log. */
  readonly stream: number | null;
  readonly type: "Even" | null;
}

const STREAMS = 4;

/** Appended at the very end, for readers to know it. */
const LAST = "Finished";

export const request: fc.Arbitrary<Request> = fc.record({
  streams: fc.array(fc.nat(STREAMS - 1), { minLength: 1, maxLength: 3 }),
  count: fc.integer({ min: 1, max: 5 }),
  conditional: fc.boolean(),
  twice: fc.boolean(),
  pauseMs: fc.nat(2),
});

export const writers = fc.array(
  fc.record({ node: fc.nat(3), requests: fc.array(request, { minLength: 1, maxLength: 10, size: "max" }) }),
  { minLength: 2, maxLength: 8, size: "max" },
);

export const readers = fc.array(
  fc.record<Reader>({
    node: fc.nat(3),
    how: fc.constantFrom("follow", "pages", "long-poll"),
    limit: fc.integer({ min: 1, max: 20 }),
    stream: fc.option(fc.nat(STREAMS - 1), { freq: 1 }),
    type: fc.option(fc.constant("Even"), { freq: 1 }),
  }),
  { minLength: 1, maxLength: 6, size: "max" },
);

/** An acknowledged event, at the place that the answer stated. */
export interface Placed {
  readonly id: string;
  readonly stream: string;
  readonly version: number;
  readonly position: number;
}

interface Result {
  readonly stream: string;
  readonly version: number;
  readonly position: number;
  readonly count: number;
}

interface NewEvent {
  readonly type: string;
  readonly data: { readonly id: string };
}

export interface Append {
  readonly stream: string;
  readonly expectedVersion?: number;
  readonly events: readonly NewEvent[];
}

/** The place of each event of an append, by the answer, which states the place of the last event of each part. */
export function placesOf(appends: readonly Append[], body: unknown): Placed[] {
  const { results } = body as { results: readonly Result[] };
  return appends.flatMap(({ stream, events }, part) => {
    const result = results[part];
    expect(result).toMatchObject({ stream, count: events.length });
    const { version = 0, position = 0 } = result ?? {};
    return events.map(({ data }, index) => {
      const before = events.length - 1 - index;
      return { id: data.id, stream, version: version - before, position: position - before };
    });
  });
}

interface Answer {
  readonly accepted: boolean;
  readonly body: unknown;
  readonly replayed: boolean;
}

/** Appends. A refusal must be due to the version of the first stream. */
async function post(node: Node, appends: readonly Append[], key: string | null): Promise<Answer> {
  const headers: Record<string, string> = key === null ? {} : { "Idempotency-Key": key };
  const response = await node.fetch("/transactions", jsonPost({ appends }, headers));
  const text = await response.text();
  const accepted = response.status === 201;
  const body: unknown = JSON.parse(text);
  if (!accepted) {
    const { stream, expectedVersion = Infinity } = appends[0] ?? {};
    if (response.status !== 409) throw new Error(`${response.status}: ${text}`);
    expect(body).toMatchObject({ type: "/problems/version-conflict", stream });
    expect((body as { currentVersion: number }).currentVersion).toBeGreaterThan(expectedVersion);
  }
  return { accepted, body, replayed: response.headers.has("idempotency-replayed") };
}

function appendsOf({ streams, count, conditional }: Request, id: string, known: ReadonlyMap<string, number>) {
  return streams.map((number, part): Append => {
    const stream = `stream-${number}`;
    const events = Array.from({ length: count }, (_, index) => ({
      type: index % 2 === 0 ? "Even" : "Odd",
      data: { id: `${id}/${part}/${index}` },
    }));
    return conditional && part === 0
      ? { stream, events, expectedVersion: known.get(stream) ?? 0 }
      : { stream, events };
  });
}

async function write(cluster: Cluster, { node, requests }: Writer, name: string): Promise<Placed[]> {
  const placed: Placed[] = [];
  const known = new Map<string, number>();
  for (const [number, one] of requests.entries()) {
    const id = `${name}/${number}`;
    const appends = appendsOf(one, id, known);
    const asked = one.twice ? [node, node + 1] : [node];
    const key = one.twice ? id : null;
    const answers = await Promise.all(asked.map((which) => post(nodeOf(cluster, which), appends, key)));
    const [first] = answers;
    if (first === undefined) throw new Error("somebody is always asked");
    for (const { accepted } of answers) expect(accepted).toBe(first.accepted);
    if (first.accepted) {
      expect(answers.filter(({ replayed }) => !replayed)).toHaveLength(1);
      for (const { body } of answers) expect(body).toEqual(first.body);
      const places = placesOf(appends, first.body);
      for (const { stream, version } of places) known.set(stream, version);
      placed.push(...places);
    } else {
      const { stream, currentVersion } = first.body as { stream: string; currentVersion: number };
      known.set(stream, currentVersion);
    }
    if (one.pauseMs > 0) await Bun.sleep(one.pauseMs);
  }
  return placed;
}

/** Every event up to the last one, by cursor. */
async function* pages(
  node: Node,
  path: string,
  query: URLSearchParams,
  { how, limit }: Reader,
): AsyncGenerator<WireEvent> {
  query.set("limit", String(limit));
  if (how === "long-poll") query.set("timeout", "1000");
  for (let cursor = "0"; ;) {
    query.set("lastEventId", cursor);
    const response = await node.fetch(`${path}?${query}`);
    const text = await response.text();
    if (response.status !== 200 && response.status !== 404) throw new Error(`${response.status}: ${text}`);
    const events = response.ok ? (JSON.parse(text) as WireEvent[]) : [];
    yield* events;
    cursor = events.at(-1)?.id ?? cursor;
    if (events.length === 0) await Bun.sleep(1);
  }
}

async function read(cluster: Cluster, reader: Reader): Promise<WireEvent[]> {
  const { how, stream, type } = reader;
  const node = nodeOf(cluster, reader.node);
  const query = new URLSearchParams(type === null ? [] : [type, LAST].map((name) => ["type", name]));
  const path = stream === null ? "/events" : `/streams/stream-${stream}`;
  const events = how === "follow" ? follow(node, `${path}?${query}`) : pages(node, path, query, reader);
  const seen: WireEvent[] = [];
  // Every stream has a last event of its own; the log's is that of the last stream.
  const last = `last/${stream ?? STREAMS - 1}`;
  for await (const event of events) {
    seen.push(event);
    if ((event.data as { id: string }).id === last) break;
  }
  return seen;
}

/** The whole log as it stands. */
export async function wholeLog(node: Node): Promise<WireEvent[]> {
  const events: WireEvent[] = [];
  for (let page: WireEvent[] | null = null; page === null || page.length > 0; events.push(...page)) {
    const response = await node.fetch(`/events?limit=10000&lastEventId=${events.at(-1)?.id ?? 0}`);
    page = (await response.json()) as WireEvent[];
  }
  return events;
}

export function placeOf({ id, subject, sequence, data }: WireEvent): Placed {
  return {
    id: (data as { id: string }).id,
    stream: subject,
    version: Number(sequence),
    position: Number(id),
  };
}

/** Positions and versions without a gap, in order, and no event twice. */
export function expectGapless(log: readonly Placed[]): void {
  const versions = new Map<string, number>();
  for (const [index, { id, stream, version, position }] of log.entries()) {
    const expected = (versions.get(stream) ?? 0) + 1;
    if (position !== index + 1 || version !== expected) {
      throw new Error(`${id}: ${position} and ${stream} ${version}, not ${index + 1} and ${expected}`);
    }
    versions.set(stream, version);
  }
  expect(new Set(log.map(({ id }) => id)).size).toBe(log.length);
}

/**
 * Appends from many clients at once while others read. Every acknowledged event is where its answer stated, once,
 * and every reader has seen exactly what there is for it, in order.
 */
export async function checkLoad(
  cluster: Cluster,
  writing: readonly Writer[],
  reading: readonly Reader[],
): Promise<void> {
  const seen = Promise.all(reading.map((reader) => read(cluster, reader)));
  const finish = async () => {
    const placed = await Promise.all(writing.map((writer, index) => write(cluster, writer, `w${index}`)));
    const appends = Array.from({ length: STREAMS }, (_, stream) => ({
      stream: `stream-${stream}`,
      events: [{ type: LAST, data: { id: `last/${stream}` } }],
    }));
    const { body } = await post(nodeOf(cluster, 0), appends, null);
    return [...placed.flat(), ...placesOf(appends, body)];
  };
  const [acknowledged, reads] = await Promise.all([finish(), seen]);

  for (const node of cluster.nodes) {
    const log = (await wholeLog(node)).map(placeOf);
    expectGapless(log);
    expect(log).toEqual(acknowledged.toSorted((a, b) => a.position - b.position));
  }
  const log = await wholeLog(nodeOf(cluster, 0));
  for (const [index, { stream, type }] of reading.entries()) {
    const expected = log.filter(
      (event) =>
        (stream === null || event.subject === `stream-${stream}`) &&
        (type === null || event.type === type || event.type === LAST),
    );
    expect(reads[index]).toEqual(expected);
  }
}
