import { expect } from "bun:test";

import type { WireEvent } from "../../../support/app.ts";
import { expectGapless, placeOf, wholeLog } from "../../../log/load.ts";
import { all, CONFIG, expectSums, live } from "../../../feeds/project/killed-projections.ts";
import { examineAt } from "../servers.ts";
import { type Cluster, DELIVERED, FIRST, type Node } from "./cluster.ts";
import type { Load } from "./load.ts";

/** Until all is delivered, after the load has ended. */
const DELIVERED_MS = 60_000;

/** The same feeds, and one of them once more under another version. */
const REBUILT = CONFIG.replace(
  "export default",
  "const again = defineFeed({ ...sums, version: 2 });\nexport default",
).replace("feeds: [sums, copies]", "feeds: [sums, copies, again]");

/** The parts that must be equal in a feed projected through faults and one built at once. */
function essence(events: readonly WireEvent[]): Map<string, unknown[]> {
  const bySubject = new Map<string, unknown[]>();
  for (const one of events) {
    const { id: _id, source: _source, dataschema: _schema, logidentity: _identity, ...event } = one;
    const before = bySubject.get(event.subject);
    if (before === undefined) bySubject.set(event.subject, [event]);
    else before.push(event);
  }
  return bySubject;
}

/** As `toEqual`, but reports the difference of the first subject only. */
function expectSame(
  actual: ReadonlyMap<string, readonly unknown[]>,
  expected: ReadonlyMap<string, readonly unknown[]>,
  what: string,
): void {
  expect(Array.from(actual.keys()).toSorted()).toEqual(Array.from(expected.keys()).toSorted());
  for (const [subject, events] of expected) {
    const found = actual.get(subject) ?? [];
    if (Bun.deepEquals(found, events)) continue;
    const at = events.findIndex((event, index) => !Bun.deepEquals(event, found[index]));
    const [one, other] = [JSON.stringify(found[at]), JSON.stringify(events[at])];
    throw new Error(`${what}, ${subject}: ${found.length} of ${events.length}; ${at}: ${one}, not ${other}`);
  }
}

async function subjectsOf(node: Node, path: string): Promise<Map<string, WireEvent[]>> {
  const events = new Map<string, WireEvent[]>();
  for (const event of await all(node.url, path)) {
    const before = events.get(event.subject);
    if (before === undefined) events.set(event.subject, [event]);
    else before.push(event);
  }
  return events;
}

async function expectDelivered({ receiver }: Cluster, node: Node): Promise<void> {
  for (const { source, path } of DELIVERED) {
    const expected = await subjectsOf(node, source);
    const total = Array.from(expected.values()).reduce((sum, { length }) => sum + length, 0);
    const count = () =>
      Array.from(receiver.taken(path).values()).reduce((sum, { length }) => sum + length, 0);
    for (const end = Date.now() + DELIVERED_MS; count() < total && Date.now() < end;) await Bun.sleep(50);
    expect(receiver.outOfOrder(path)).toEqual([]);
    expectSame(receiver.taken(path), expected, `deliveries of ${source}`);
  }
}

/**
 * Ends the load, and checks the guarantees that hold after every fault: each acknowledged event is present once and in
 * its place, positions and versions have no gap, recorded times never go back, feeds equal a feed that is built now,
 * and webhooks have delivered everything, in order for each subject.
 */
export async function verify(cluster: Cluster, load: Load): Promise<void> {
  await load.stop();
  const [node] = cluster.nodes;
  if (node === undefined) throw new Error("there must be a node");
  const events = await wholeLog(node);
  const log = events.map(placeOf);
  expectGapless(log);
  const first = { id: FIRST, stream: FIRST, version: 1, position: 1 };
  const expected = new Map([first, ...load.acknowledged].map((place) => [place.id, place]));
  const found = log.filter(({ id }) => expected.has(id) || !load.uncertain.has(id));
  expect(found.length).toBe(expected.size);
  for (const place of found) expect(place).toEqual(expected.get(place.id) ?? first);
  // No event names a time of its own, so that its time is when it was recorded.
  const times = events.map(({ time }) => time);
  expect(times).toEqual(times.toSorted());
  await expectSums(node.url);
  const fresh = await cluster.start({ config: REBUILT });
  await live(fresh.url, "sums", 2);
  const projected = essence(await all(node.url, "/feeds/sums/v1"));
  expectSame(projected, essence(await all(fresh.url, "/feeds/sums/v2")), "the feed");
  await expectDelivered(cluster, node);
  expect(await examineAt(cluster.sqld.url)).toEqual([]);
}
