import { expect } from "bun:test";
import fc from "fast-check";

import { takeEvents, type WireEvent } from "../support/app.ts";
import type { Node } from "../support/store.ts";
import { pathOf, STREAMS, TYPES } from "./calls.ts";
import type { Model, ModelEvent, ModelStream } from "./model.ts";

/** A way to read: the whole log or one stream, from somewhere, in pages of some size. */
export interface Reading {
  readonly node: number;
  readonly stream: string | null;
  readonly direction: "forwards" | "backwards";
  readonly limit: number;
  /** Where to begin, as a share of the log; null for its beginning or end. */
  readonly from: number | null;
  readonly types: readonly string[];
  readonly prefix: string;
  /** Versions to read of a stream, as shares of them. */
  readonly versions: readonly [after: number, to: number] | null;
}

const share = fc.integer({ min: 0, max: 20 }).map((twentieths) => twentieths / 20);

export const reading: fc.Arbitrary<Reading> = fc.record({
  node: fc.nat(3),
  stream: fc.option(fc.constantFrom(...STREAMS), { freq: 1 }),
  direction: fc.constantFrom("forwards", "backwards"),
  limit: fc.integer({ min: 1, max: 7 }),
  from: fc.option(share, { freq: 2 }),
  types: fc.subarray([...TYPES, "kilde.erased", "Unknown"]),
  prefix: fc.constantFrom("", "", "a", "a-", "b ", "~", "～", "😀", "z"),
  versions: fc.option(fc.tuple(share, share), { freq: 1 }),
});

export function modelEvent({ id, subject, sequence, type, data, ["reason"]: reason }: WireEvent): ModelEvent {
  return {
    position: Number(id),
    stream: subject,
    version: Number(sequence),
    type,
    data: data === undefined ? null : JSON.stringify(data),
    reason: typeof reason === "string" ? reason : null,
  };
}

function nextOf(response: Response): string | null {
  return /<([^>]*)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1] ?? null;
}

/** All items from an address on, page by page, by the links that the pages have. */
async function walk<Item>(node: Node, start: string, limit: number, itemsOf: (body: unknown) => Item[]) {
  const all: Item[] = [];
  let response: Response;
  let count: number;
  let next: string | null = start;
  do {
    response = await node.fetch(next);
    expect(response.status).toBe(200);
    const items = itemsOf(await response.json());
    all.push(...items);
    count = items.length;
    expect(count).toBeLessThanOrEqual(limit);
    next = nextOf(response);
  } while (count === limit && next !== null);
  return { all, last: response };
}

const eventsOf = (body: unknown) => (body as WireEvent[]).map(modelEvent);
const streamsOf = (body: unknown) =>
  (body as { streams: ModelStream[] }).streams.map(
    ({ stream, version, position, firstVersion, erased }): ModelStream => ({
      stream,
      version,
      position,
      firstVersion,
      erased,
    }),
  );

function isSelected(
  { stream, direction, types, prefix }: Reading,
  cursor: number | null,
  after: number,
  to: number,
) {
  return (event: ModelEvent): boolean => {
    if (types.length > 0 && !types.includes(event.type)) return false;
    if (stream !== null) {
      if (event.stream !== stream || event.version <= after || event.version > to) return false;
    } else if (!event.stream.startsWith(prefix)) return false;
    if (cursor === null) return true;
    return direction === "forwards" ? event.position > cursor : event.position < cursor;
  };
}

/** Performs a reading, and compares the result with the model. */
export async function compareReading(node: Node, model: Model, how: Reading): Promise<void> {
  const { stream, direction, limit, from, types, prefix, versions } = how;
  const query = new URLSearchParams({ limit: String(limit), direction });
  for (const type of types) query.append("type", type);
  const cursor = from === null ? null : Math.round(from * model.head());
  if (cursor !== null) query.set("lastEventId", String(cursor));
  let [after, to] = [0, Infinity];
  if (stream === null) {
    if (prefix !== "") query.set("subjectPrefix", prefix);
  } else if (versions !== null) {
    const version = model.versionOf(stream);
    [after, to] = [Math.round(versions[0] * version), Math.round(versions[1] * version)];
    query.set("afterVersion", String(after));
    query.set("toVersion", String(to));
  }
  const path = stream === null ? "/events" : pathOf(stream);
  if (stream !== null && model.versionOf(stream) === 0) {
    expect((await node.fetch(`${path}?${query}`)).status).toBe(404);
    return;
  }

  const expected = model.events().filter(isSelected(how, cursor, after, to));
  const { all, last } = await walk(node, `${path}?${query}`, limit, eventsOf);
  expect(all).toEqual(direction === "forwards" ? expected : expected.toReversed());
  expect(last.headers.get("kilde-head")).toBe(String(model.head()));
  if (stream !== null) expect(last.headers.get("etag")).toStartWith(`"${model.versionOf(stream)}-`);

  if (direction === "backwards" || expected.length === 0 || versions !== null) return;
  for (const parameter of ["limit", "direction"]) query.delete(parameter);
  const follow = await node.fetch(`${path}?${query}`, { headers: { accept: "text/event-stream" } });
  const sent = await takeEvents(follow, expected.length);
  expect(sent.map(({ data }) => modelEvent(data))).toEqual(expected);
}

function byCodePoints(a: ModelStream, b: ModelStream): number {
  return Buffer.compare(Buffer.from(a.stream), Buffer.from(b.stream));
}

/** Compares everything there is: the log, every stream, and both lists of streams. */
export async function compareAll(node: Node, model: Model, { prefix, limit, from }: Reading): Promise<void> {
  const log = await walk(node, "/events?limit=100", 100, eventsOf);
  expect(log.all).toEqual([...model.events()]);
  for (const stream of STREAMS) {
    const response = await node.fetch(pathOf(stream));
    const expected = model.events().filter((event) => event.stream === stream);
    expect(response.status).toBe(expected.length === 0 ? 404 : 200);
    const body: unknown = await response.json();
    if (response.ok) expect(eventsOf(body)).toEqual(expected);
  }

  const some = model.streams().filter(({ stream }) => stream.startsWith(prefix));
  const query = new URLSearchParams({ limit: String(limit), prefix });
  const listed = await walk(node, `/streams?${query}`, limit, streamsOf);
  expect(listed.all).toEqual(some.toSorted(byCodePoints));
  const since = Math.round((from ?? 0) * model.head());
  query.set("changedSince", String(since));
  const changed = await walk(node, `/streams?${query}`, limit, streamsOf);
  expect(changed.all).toEqual(
    some.filter(({ position }) => position > since).toSorted((a, b) => a.position - b.position),
  );
}
