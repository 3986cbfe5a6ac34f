import { expect } from "bun:test";

import fc from "fast-check";

import type { Feed } from "../../src/feeds/feed.ts";
import { readFeed } from "../../src/feeds/record.ts";
import { type RegisteredFeed, registerFeeds } from "../../src/feeds/lifecycle/register.ts";
import type { Database } from "../../src/storage/database.ts";
import { examine } from "../../src/doctor/doctor.ts";
import { EVENT_LOG_ADDRESS } from "../../src/log/keys.ts";
import { systemClock } from "../../src/core/system-clock.ts";
import { openApp, type TestApp, type WireEvent } from "../support/app.ts";
import { newDatabase } from "../support/new-database.ts";
import { openProjection } from "../support/projection.ts";
import {
  type Action,
  actionsOfReleases,
  crash,
  empty,
  type Node,
  nodeOn,
  NODES,
  perform,
  program,
  slowReads,
} from "./feed-actions.ts";
import {
  allEvents,
  checkReports,
  erasedIn,
  isOfErasure,
  published,
  shortForm,
  sourceEvent,
  sourceOf,
  statesOf,
} from "./feed-contents.ts";
import { isSameInBoth, keepsVersions, type RandomFeed, randomFeeds, releaseOf } from "./feed-definitions.ts";
import { isOfRevised, renamed } from "./project/projections.ts";

/*
 * Random feeds, of two releases that run at the same time. Each feed must publish the output of its handlers in a loop, which
 * is also the content of a feed that is built once and undisturbed; and events that were read once must stay.
 */

interface Simulation {
  readonly feeds: readonly RandomFeed[];
  /** Streams are erased, or their first events are truncated. */
  readonly removal: "erase" | "truncate";
}

/** The events published for one source event, by each release that can project it. */
type Alternatives = readonly (readonly string[])[];

function outputOf(
  feed: Feed,
  event: WireEvent,
  states: Map<string, string | null>,
  subject = feed.subjectOf(sourceEvent(event)),
) {
  const source = sourceEvent(event);
  if (subject === null) return null;
  const isTombstone = event.type === "kilde.erased";
  const known = isTombstone ? null : (states.get(subject) ?? null);
  const { state, events, erased } = feed.project(subject, source, known);
  const ends = erased || (isTombstone && events.length === 0 && !feed.rekeyed);
  const texts = ends ? [event.type] : events.map(({ type, data }) => `${type} ${data}`);
  return { subject, state, texts };
}

/** "thrown": the release cannot project the event. */
function outputUnlessThrown<Output>(output: () => Output): Output | "thrown" {
  try {
    return output();
  } catch {
    return "thrown";
  }
}

/**
 * The output of the releases' handlers for each subject, in a loop. The last release can project everything. After an erasure a
 * stateful feed publishes events again for the subjects that they were found to count for, also in a release that does not find them.
 */
function alternatives(
  releases: readonly Feed[],
  events: readonly WireEvent[],
  mayErase: boolean,
): Map<string, Alternatives[]> {
  const states = new Map<string, string | null>();
  const expected = new Map<string, Alternatives[]>();
  const [last] = releases.slice(-1);
  if (last === undefined) throw new Error("there is no release");
  for (const event of events) {
    const { types, prefixes } = last.source;
    if (!types.includes(event.type)) continue;
    if (prefixes.length > 0 && !prefixes.some((prefix) => event.subject.startsWith(prefix))) continue;
    const output = outputOf(last, event, states);
    if (output === null) continue;
    const { subject, state, texts } = output;
    const others = releases.slice(0, -1).flatMap((release) => {
      const found = outputUnlessThrown(() => outputOf(release, event, states));
      if (found !== "thrown") return found ?? [];
      const again = mayErase && release.rekeyed && release.stateful;
      const revised = again ? outputUnlessThrown(() => outputOf(release, event, states, subject)) : "thrown";
      return revised === "thrown" ? [] : (revised ?? []);
    });
    states.set(subject, state);
    expected.set(subject, [...(expected.get(subject) ?? []), [texts, ...others.map((other) => other.texts)]]);
  }
  return expected;
}

/** Each event of a subject must match one of its alternatives, in order. */
function expectOneOf(has: readonly string[], expected: readonly Alternatives[]): void {
  let at = 0;
  const chosen = expected.flatMap(([newest = [], ...others]) => {
    const fits = [newest, ...others].filter((texts) =>
      Bun.deepEquals(has.slice(at, at + texts.length), texts),
    );
    const [longest = newest] = fits.toSorted((a, b) => b.length - a.length);
    at += longest.length;
    return longest;
  });
  expect(has).toEqual(chosen);
}

/** A truncated event, with the identities of the feeds that had projected it. */
interface Truncated {
  readonly event: WireEvent;
  readonly projectedIn: ReadonlyMap<string, string>;
}

/** Truncates what every feed has projected, and keeps it to compare with. */
function truncating(app: TestApp, database: Database, feeds: readonly RegisteredFeed[]) {
  const truncated: Truncated[] = [];
  return {
    async truncate(stream: string): Promise<void> {
      const projectedIn = new Map<string, string>();
      let cursor = Number.POSITIVE_INFINITY;
      for (const { upstream, log } of feeds) {
        if (upstream !== null) continue;
        const record = await readFeed(database, log);
        if (record === null || record.status === "rebuilding") return;
        projectedIn.set(log.name, record.identity);
        cursor = Math.min(cursor, record.cursor);
      }
      const all = await allEvents(database, { log: EVENT_LOG_ADDRESS });
      const events = all.filter(({ subject, id }) => subject === stream && Number(id) <= cursor);
      const before = Number(events.at(-1)?.sequence ?? 0);
      if (before === 0) return;
      const response = await app.fetch(`/streams/${stream}?before=${before}`, { method: "DELETE" });
      expect(response.status).toBe(200);
      for (const event of events) if (Number(event.sequence) < before) truncated.push({ event, projectedIn });
    },
    /** The events of a feed's source in the order in which they count, with those that are no longer there. */
    async sourceOf(feed: RegisteredFeed): Promise<WireEvent[]> {
      const events = await sourceOf(database, feed);
      if (feed.upstream !== null) return events;
      const record = await readFeed(database, feed.log);
      const gone = truncated.filter(({ projectedIn }) => projectedIn.get(feed.log.name) === record?.identity);
      return [...gone.map(({ event }) => event), ...events].toSorted((a, b) => Number(a.id) - Number(b.id));
    },
  };
}

/** Reads feeds now and then: events that were read stay, unless they are erased, or belong to a build that is over. */
function reading(database: Database, mayErase: boolean) {
  const read = new Map<string, { readonly identity: string; readonly events: readonly WireEvent[] }>();
  return async ({ log }: RegisteredFeed): Promise<void> => {
    const before = await readFeed(database, log);
    const events = await allEvents(database, { log });
    const record = await readFeed(database, log);
    if (record === null || before?.identity !== record.identity) return;
    if (before.status === "rebuilding" || record.status === "rebuilding") return;
    const last = read.get(log.name);
    read.set(log.name, { identity: record.identity, events });
    const ids = events.map(({ id }) => Number(id));
    const [first = 1] = ids;
    if (!mayErase) {
      expect(ids).toEqual(ids.map((_, index) => first + index));
      for (const each of Map.groupBy(events, ({ subject }) => subject).values())
        expect(each.map(({ sequence }) => Number(sequence))).toEqual(each.map((_, index) => index + 1));
    }
    if (last?.identity !== record.identity) return;
    const now = new Map(events.map((event) => [event.id, event]));
    for (const event of last.events) {
      const found = now.get(event.id);
      if (mayErase && (found === undefined || isOfErasure(found))) continue;
      expect(found).toEqual(event);
    }
  };
}

/** Once something of the newer contract is published, nothing is published that the newer contract refuses. */
function checkPromise({ change }: RandomFeed, events: readonly WireEvent[]): void {
  if (change !== "member") return;
  const data = events.filter(({ type }) => type.startsWith("Out")).map((event) => event.data as object);
  const firstGrown = data.findIndex((each) => "more" in each);
  if (firstGrown !== -1) for (const each of data.slice(firstGrown)) expect(each).toHaveProperty("more");
}

/** Compares a feed with one that was built once and undisturbed. */
async function compareBuilds(database: Database, one: RegisteredFeed, other: RegisteredFeed): Promise<void> {
  const [events, later] = [await allEvents(database, one), await allEvents(database, other)];
  const erased = new Set([...erasedIn(events), ...erasedIn(later)]);
  expect(published(events, erased)).toEqual(published(later, erased));
  expect(await statesOf(database, one)).toEqual(await statesOf(database, other));
}

/** Does the work on a new database, lets it come to rest, and checks the contents of the feeds. */
async function simulateFeeds(
  { feeds, removal }: Simulation,
  work: readonly Action[],
  turns: () => number,
): Promise<void> {
  const releases = [releaseOf(feeds, false), releaseOf(feeds, true)] as const;
  const plain = await newDatabase();
  const app = await openApp({ database: plain });
  try {
    const { writer } = app.store;
    const mayErase = removal === "erase";
    const database = slowReads(plain, turns);
    const registered = await registerFeeds(plain, systemClock, releases[0]);
    const nodes = Array.from({ length: NODES }, () => nodeOn(writer, database, registered, turns));
    const truncation = truncating(app, plain, registered);
    const read = reading(plain, mayErase);
    const deploy = async (node: Node, release: number) => {
      crash(node);
      node.feeds = await registerFeeds(node.database, systemClock, releases[release === 0 ? 0 : 1]);
      await empty(plain, writer);
    };
    const truncate = async (stream: string) => {
      if (!mayErase) await truncation.truncate(stream);
    };
    program.broken = false;
    const world = { app, database, nodes, feeds: registered, mayErase, more: { deploy, truncate, read } };
    for (const action of work) await perform(world, action);
    await Promise.all(nodes.map((node) => node.settle()));
    program.broken = false;

    const final = await registerFeeds(plain, systemClock, releases[1]);
    await empty(plain, writer);
    await (await openProjection({ database: plain, writer }, releases[1])).drain(3);
    expect(await examine(plain)).toEqual([]);
    for (const [index, one] of final.entries()) {
      const feed = feeds[index];
      if (feed === undefined) throw new Error("there is no such feed");
      await read(one);
      const events = await allEvents(plain, one);
      if (keepsVersions(feeds, index)) checkReports(events);
      checkPromise(feed, events);
      const isSame = isSameInBoth(feeds, index);
      const projecting = [...(isSame ? [] : releases[0].slice(index, index + 1)), one.feed];
      const expected = alternatives(projecting, await truncation.sourceOf(one), mayErase);
      const has = shortForm(events);
      for (const subject of new Set([...has.keys(), ...expected.keys()]))
        expectOneOf(has.get(subject) ?? [], expected.get(subject) ?? []);
    }
    if (mayErase) await checkBuilds(app, plain, { feeds, final });
  } finally {
    await app.close();
  }
}

/** Builds the feeds once more, under other names and in place, and compares. */
async function checkBuilds(
  { store: { writer } }: TestApp,
  database: Database,
  { feeds, final }: { readonly feeds: readonly RandomFeed[]; readonly final: readonly RegisteredFeed[] },
): Promise<void> {
  const there = new Set((await allEvents(database, { log: EVENT_LOG_ADDRESS })).map(({ id }) => id));
  const indexOf = ({ log }: RegisteredFeed) => final.findIndex((one) => one.log.id === log.id);
  const isAlike = (one: RegisteredFeed) => isSameInBoth(feeds, indexOf(one));
  const again = final.map((one) => {
    const feed = renamed(one);
    return one.upstream === null || isAlike(one.upstream)
      ? feed
      : { ...feed, source: { ...feed.source, log: one.feed.source.log } };
  });
  const both = [...final.map(({ feed }) => feed), ...again];
  await (await openProjection({ database, writer }, both)).drain();
  const others = (await registerFeeds(database, systemClock, both)).slice(final.length);
  for (const [index, one] of final.entries()) {
    const other = others[index];
    if (other === undefined) throw new Error("it was not built again");
    for (const event of await allEvents(database, one))
      if (!isOfErasure(event)) expect(there).toContain(String(event["projectedfrom"]));
    if (isAlike(one) && !isOfRevised(one)) await compareBuilds(database, one, other);
  }
  expect(await examine(database)).toEqual([]);
}

const simulations: fc.Arbitrary<Simulation> = fc.record({
  feeds: randomFeeds,
  removal: fc.constantFrom<Simulation["removal"]>("erase", "erase", "truncate"),
});

/** Runs random simulations; a failure names the seed, which `FEED_SIMULATION_SEED` repeats. */
export async function checkSimulations(numRuns: number): Promise<void> {
  const seed = process.env["FEED_SIMULATION_SEED"];
  await fc.assert(
    fc.asyncProperty(
      simulations,
      actionsOfReleases,
      fc.infiniteStream(fc.nat(2)),
      (simulation, work, chance) => simulateFeeds(simulation, work, () => chance.next().value ?? 0),
    ),
    { numRuns, ...(seed === undefined ? {} : { seed: Number(seed) }) },
  );
}
