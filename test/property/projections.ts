import { expect } from "bun:test";

import fc from "fast-check";

import { ERASED_IN_PART_TYPE, EVENT_ERASED_TYPE } from "../../src/core/event.ts";
import { clearAll } from "../../src/feed/clear.ts";
import type { SourceEvent } from "../../src/feed/define.ts";
import type { Feed } from "../../src/feed/feed.ts";
import { hydrate } from "../../src/feed/hydrate.ts";
import { takeLease } from "../../src/log/lease.ts";
import { RESUME_FEED } from "../../src/feed/feeds.ts";
import { createProjector, type Projector } from "../../src/feed/projector.ts";
import { type RegisteredFeed, registerFeeds } from "../../src/feed/register.ts";
import { rebuildFeed } from "../../src/feed/retire.ts";
import { projectInSlices } from "../../src/feed/slice.ts";
import type { Database } from "../../src/log/database.ts";
import { examine } from "../../src/log/doctor.ts";
import { EVENT_LOG_ADDRESS } from "../../src/log/keys.ts";
import { openLogReader } from "../../src/log/reader.ts";
import type { LogWriter, Written } from "../../src/log/writer.ts";
import { DEFAULT_LIMITS } from "../../src/core/limits.ts";
import { KildeError } from "../../src/core/errors.ts";
import { pageBody } from "../../src/http/page-body.ts";
import { systemClock } from "../../src/server/system-clock.ts";
import { openApp, type TestApp, type WireEvent } from "../support/app.ts";
import { newDatabase } from "../support/new-database.ts";
import { openProjection } from "../support/projection.ts";

/*
 * Random work on feeds: appends, erasures, projectors of two processes that race, crash between any two writes and
 * lose their leases, and hydrations at any moment. Afterwards each feed must say what one uninterrupted run says.
 */

/** What fails: the next read; the next write, before or after it was done. */
type Fault = "read" | "lost" | "unanswered";

export type Action =
  | { readonly kind: "append"; readonly stream: number; readonly types: readonly string[] }
  | { readonly kind: "erase"; readonly stream: number }
  | { readonly kind: "step"; readonly node: number; readonly feed: number; readonly batch: number }
  /** As a worker projects: until nothing is left, or so many reads were made. */
  | {
      readonly kind: "slice";
      readonly node: number;
      readonly feed: number;
      readonly batch: number;
      readonly reads: number;
    }
  | { readonly kind: "hydrate"; readonly node: number; readonly feed: number; readonly subject: number }
  | { readonly kind: "crash"; readonly node: number }
  /** Handlers that depend on {@link program} fail from now on, or no longer; feeds that are halted try again. */
  | { readonly kind: "program"; readonly broken: boolean }
  /** A call of the node's fails, and either kills the node, or is all that goes wrong. */
  | { readonly kind: "fault"; readonly node: number; readonly fault: Fault; readonly kills: boolean }
  | { readonly kind: "lease-lost"; readonly feed: number }
  /** The database's clock is corrected, so that leases run out much later, or are over. */
  | { readonly kind: "clock-step"; readonly hours: number }
  /** Of a feed, and those that are projected from it. */
  | { readonly kind: "rebuild"; readonly feed: number }
  /** All at the same time. */
  | { readonly kind: "race"; readonly actions: readonly Action[] };

/** What is wrong with the program that projects, for handlers of scenarios: feeds halt, and resume when it is corrected. */
export const program = { broken: false };

const NODES = 2;
const STREAMS = 4;
const MOST_FEEDS = 6;

const single: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant("append" as const),
      stream: fc.nat(STREAMS - 1),
      types: fc.array(fc.constantFrom("A", "B", "Other"), { minLength: 1, maxLength: 6 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("erase" as const), stream: fc.nat(STREAMS - 1) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("step" as const),
      node: fc.nat(NODES - 1),
      feed: fc.nat(MOST_FEEDS - 1),
      batch: fc.integer({ min: 1, max: 5 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("slice" as const),
      node: fc.nat(NODES - 1),
      feed: fc.nat(MOST_FEEDS - 1),
      batch: fc.integer({ min: 1, max: 5 }),
      reads: fc.integer({ min: 1, max: 20 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("hydrate" as const),
      node: fc.nat(NODES - 1),
      feed: fc.nat(MOST_FEEDS - 1),
      subject: fc.nat(STREAMS - 1),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("crash" as const), node: fc.nat(NODES - 1) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("program" as const), broken: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("fault" as const),
      node: fc.nat(NODES - 1),
      fault: fc.constantFrom<Fault>("read", "lost", "unanswered"),
      kills: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("clock-step" as const), hours: fc.constantFrom(-2, 2) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("lease-lost" as const), feed: fc.nat(MOST_FEEDS - 1) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("rebuild" as const), feed: fc.nat(MOST_FEEDS - 1) }),
  },
);

export const actions: fc.Arbitrary<Action[]> = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: single },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant("race" as const),
        actions: fc.array(single, { minLength: 2, maxLength: 4 }),
      }),
    },
  ),
  { minLength: 1, maxLength: 60, size: "max" },
);

/** Nobody projects while a request waits, except in a race, so that it need not take time. */
const impatient = { ...systemClock, sleep: () => systemClock.yield() };

/** Slices end by the reads they make, not by time. */
const SLICE_MS = 60_000;

/** What a call failed with. */
class Failure extends Error {
  readonly kills: boolean;

  constructor(message: string, kills: boolean) {
    super(message);
    this.kills = kills;
  }
}

/** A projector of a process, which steps on when it is through with a step. */
interface Stepping {
  readonly projector: Projector;
  stepped: Promise<unknown>;
}

/** A process: its projectors, and a database and a writer of which a call may fail. */
interface Node {
  readonly projectors: Map<string, Stepping>;
  readonly database: Database;
  readonly writer: LogWriter;
  fault: Pick<Extract<Action, { kind: "fault" }>, "fault" | "kills"> | null;
}

function nodeOn(writer: LogWriter, database: Database): Node {
  const failAt = (place: Fault) => {
    if (node.fault?.fault !== place) return;
    const { kills } = node.fault;
    node.fault = null;
    throw new Failure(place, kills);
  };
  const node: Node = {
    projectors: new Map(),
    fault: null,
    database: {
      ...database,
      async read(statement) {
        failAt("read");
        return database.read(statement);
      },
    },
    writer: {
      ...writer,
      async write(statements): Promise<Written> {
        failAt("lost");
        const written = await writer.write(statements);
        failAt("unanswered");
        return written;
      },
    },
  };
  return node;
}

/** The same database, with reads that take as many turns of the event loop as chance says. */
function slowReads(database: Database, turns: () => number): Database {
  return {
    ...database,
    async read(statement) {
      for (let turn = turns(); turn > 0; turn -= 1) await systemClock.yield();
      const rows = await database.read(statement);
      for (let turn = turns(); turn > 0; turn -= 1) await systemClock.yield();
      return rows;
    },
  };
}

async function perform(
  app: TestApp,
  database: Database,
  nodes: readonly Node[],
  feeds: readonly RegisteredFeed[],
  action: Action,
  mayErase: boolean,
): Promise<void> {
  const nodeOf = (number: number): Node => {
    const node = nodes[number];
    if (node === undefined) throw new Error("there is no such node");
    return node;
  };
  const feedOf = (number: number): RegisteredFeed => {
    const feed = feeds[number % feeds.length];
    if (feed === undefined) throw new Error("there is no feed");
    return feed;
  };
  /** What a process that is killed throws goes with it, as do its projectors; others step on with what they know. */
  const until = async (node: Node, work: () => Promise<unknown>) => {
    try {
      await work();
    } catch (error) {
      const isExpected =
        error instanceof Failure ||
        (error instanceof KildeError && ["feed-behind", "projection-failed"].includes(error.code));
      if (!isExpected) throw error;
      if (!(error instanceof Failure) || error.kills) node.projectors.clear();
    }
  };
  const onNews = () => {};

  switch (action.kind) {
    case "append": {
      const name = `s-${action.stream}`;
      const current = await app.store.reader.find(name);
      const events = action.types.map((type, n) => ({ type, data: { n, other: `k-${n % 3}`, from: name } }));
      const response = await app.fetch(`/streams/${name}`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ expectedVersion: current?.version ?? 0, events }),
      });
      // In a race another append may have been first.
      if (response.status !== 201) expect(response.status).toBe(409);
      return;
    }
    case "erase":
      if (mayErase) await app.fetch(`/streams/s-${action.stream}?reason=asked`, { method: "DELETE" });
      return;
    case "step": {
      const node = nodeOf(action.node);
      const registered = feedOf(action.feed);
      await until(node, async () => {
        const lease = await takeLease(node.writer, registered.log.name, `node-${action.node}`);
        if (lease === null) return;
        const { database: own, writer } = node;
        const deps = { database: own, writer, clock: systemClock, onNews, batchEvents: action.batch };
        const stepping = node.projectors.get(registered.log.name) ?? {
          projector: createProjector(deps, registered),
          stepped: Promise.resolve(),
        };
        node.projectors.set(registered.log.name, stepping);
        const { projector, stepped } = stepping;
        const step = () => projector.step({ lease, retry: false, flush: action.batch % 2 === 0 });
        stepping.stepped = stepped.then(step, step);
        await stepping.stepped;
      });
      return;
    }
    case "slice": {
      const node = nodeOf(action.node);
      const cut = new AbortController();
      let reads = 0;
      const counting: Database = {
        ...node.database,
        read(statement) {
          reads += 1;
          if (reads === action.reads) cut.abort();
          return node.database.read(statement);
        },
      };
      const deps = {
        writer: node.writer,
        clock: systemClock,
        onNews,
        batchEvents: action.batch,
        retry: false,
      };
      const holder = `node-${action.node}`;
      const work = projectInSlices(
        { ...deps, database: counting, holder, onEvent: () => {} },
        feedOf(action.feed),
      );
      const deadline = systemClock.monotonic() + SLICE_MS;
      await until(node, () => work.runSlice({ deadline, signal: cut.signal }));
      return;
    }
    case "hydrate": {
      const node = nodeOf(action.node);
      const registered = feedOf(action.feed);
      const subject = registered.tracked ? `k-${action.subject}` : `s-${action.subject}`;
      const deps = { database: node.database, writer: node.writer, clock: impatient, onNews };
      await until(node, () => hydrate(deps, registered, subject));
      return;
    }
    case "program":
      program.broken = action.broken;
      for (const { log } of feeds) await app.store.writer.write([{ sql: RESUME_FEED, args: [log.id] }]);
      return;
    case "crash":
      nodeOf(action.node).projectors.clear();
      return;
    case "fault":
      nodeOf(action.node).fault = action;
      return;
    case "clock-step":
      await database.write([
        { sql: "update leases set expires = expires + ?", args: [action.hours * 3_600_000] },
      ]);
      return;
    case "lease-lost":
      await database.write([
        { sql: "update leases set expires = 0 where name = ?", args: [feedOf(action.feed).log.name] },
      ]);
      return;
    case "rebuild": {
      await rebuild(database, app.store.writer, feedOf(action.feed), feeds);
      return;
    }
    case "race":
      await Promise.all(action.actions.map((one) => perform(app, database, nodes, feeds, one, mayErase)));
  }
}

/** Has a feed built again, and those that are projected from it: as a process empties them. */
async function rebuild(
  database: Database,
  writer: LogWriter,
  feed: RegisteredFeed,
  all: readonly RegisteredFeed[],
): Promise<void> {
  const draft = (one: RegisteredFeed) => ({ ...one, feed: { ...one.feed, draft: true } });
  await rebuildFeed({ database, writer }, draft(feed), all.map(draft));
  const onFailure = (error: unknown) => {
    throw error;
  };
  await clearAll({ database, writer, clock: systemClock, onFailure }, new AbortController().signal);
}

async function allEvents(database: Database, { log }: Pick<RegisteredFeed, "log">): Promise<WireEvent[]> {
  const deps = { database, clock: systemClock, limits: DEFAULT_LIMITS, pollIntervalMs: 1_000 };
  const reader = openLogReader(deps, log);
  const query = { subject: null, direction: "forwards", limit: 100_000, filter: {} } as const;
  const { parts } = pageBody((await reader.page(query, "array")).parts, "array");
  return (await new Response(new Blob([...parts])).json()) as WireEvent[];
}

function isOfErasure({ type }: WireEvent): boolean {
  return type === EVENT_ERASED_TYPE || type === ERASED_IN_PART_TYPE;
}

/** The events of each subject as they are, but for where in the feed they stand. */
function bySubject(events: readonly WireEvent[]): Map<string, object[]> {
  const subjects = new Map<string, object[]>();
  for (const { id: _, source: _source, logidentity: _identity, ...event } of events)
    subjects.set(event.subject, [...(subjects.get(event.subject) ?? []), event]);
  return subjects;
}

/** Subjects of which something was erased. What was erased before it was projected never had versions. */
function erasedIn(events: readonly WireEvent[]): string[] {
  const reports = events.filter(
    (event) => isOfErasure(event) || event.type === "kilde.erased" || event.type === "Forgotten",
  );
  return reports.map(({ subject }) => subject);
}

/** What is published of each subject, without the reports of erasures, and without the versions of some subjects. */
function published(events: readonly WireEvent[], erased: ReadonlySet<string>): Map<string, object[]> {
  const left = events.filter((event) => !isOfErasure(event));
  return bySubject(left.map((event) => (erased.has(event.subject) ? { ...event, sequence: "" } : event)));
}

/** Every erased event is named by a later event of its subject, and nothing else is. */
function checkReports(events: readonly WireEvent[]): void {
  const named = new Map<string, Set<number>>();
  for (const { subject, type, sequence, data } of events) {
    if (type !== ERASED_IN_PART_TYPE) continue;
    const versions = named.get(subject) ?? new Set();
    for (const [low, high] of (data as { versions: [number, number][] }).versions) {
      expect(high).toBeLessThan(Number(sequence));
      for (let version = low; version <= high; version += 1) versions.add(version);
    }
    named.set(subject, versions);
  }
  for (const event of events) {
    const isNamed = named.get(event.subject)?.has(Number(event.sequence)) ?? false;
    if (event.type === EVENT_ERASED_TYPE) expect(isNamed).toBe(true);
    else if (event.type !== ERASED_IN_PART_TYPE) expect(isNamed).toBe(false);
    if (event.type === EVENT_ERASED_TYPE) expect(event).not.toHaveProperty("data");
  }
}

/** The state of each subject, by name. */
async function statesOf(database: Database, { log }: RegisteredFeed): Promise<unknown> {
  const rows = await database.read({
    sql: `select subject.name, kept.state from subjects as subject join feed_subjects as kept on kept.subject = subject.id
      where subject.log = ? and kept.state is not null order by subject.name`,
    args: [log.id],
  });
  return rows.map((row) => [row[0], row[1]]);
}

function sourceEvent(event: WireEvent): SourceEvent {
  return {
    type: event.type,
    subject: event.subject,
    version: Number(event.sequence),
    position: Number(event["projectedfrom"] ?? event.id),
    time: event.time,
    data: event.data ?? null,
    extensions: {},
  };
}

/** What the handlers say, in a loop. */
function folded(feed: Feed, source: readonly WireEvent[]): Map<string, string[]> {
  const states = new Map<string, string | null>();
  const told = new Map<string, string[]>();
  for (const event of source.map(sourceEvent)) {
    const { types, prefixes } = feed.source;
    if (!types.includes(event.type)) continue;
    if (prefixes.length > 0 && !prefixes.some((prefix) => event.subject.startsWith(prefix))) continue;
    const subject = feed.subjectOf(event);
    if (subject === null) continue;
    const known = event.type === "kilde.erased" ? null : (states.get(subject) ?? null);
    const { state, events, erased } = feed.project(subject, event, known);
    states.set(subject, state);
    const ends = erased || (event.type === "kilde.erased" && events.length === 0 && !feed.rekeyed);
    const all = ends ? ["kilde.erased"] : events.map(({ type, data }) => `${type} ${data}`);
    told.set(subject, [...(told.get(subject) ?? []), ...all]);
  }
  return new Map([...told].filter(([, events]) => events.length > 0));
}

function shortForm(events: readonly WireEvent[]): Map<string, string[]> {
  const told = new Map<string, string[]>();
  for (const { subject, type, data } of events.filter((event) => !isOfErasure(event))) {
    const text = type === "kilde.erased" ? type : `${type} ${JSON.stringify(data)}`;
    told.set(subject, [...(told.get(subject) ?? []), text]);
  }
  return told;
}

export interface Scenario {
  readonly feeds: readonly Feed[];
  readonly mayErase: boolean;
}

/**
 * What an erasure left of a re-keyed feed with a state is published again at its head: a feed of it that gathers several
 * of its subjects depends on when that was.
 */
function isOfRevised({ feed, upstream }: RegisteredFeed): boolean {
  return feed.rekeyed && upstream !== null && upstream.tracked;
}

/** The same feed under another name, to be built from the start and undisturbed. */
function renamed(registered: RegisteredFeed): Feed {
  const { feed } = registered;
  const again = (path: string) => path.replace("/feeds/", "/feeds/again-");
  const log = isOfRevised(registered) ? feed.source.log : again(feed.source.log);
  return { ...feed, name: `again-${feed.name}`, path: again(feed.path), source: { ...feed.source, log } };
}

/** The events of a feed's source in the order in which they count. */
async function sourceOf(database: Database, { source, merges }: RegisteredFeed): Promise<WireEvent[]> {
  const events = await allEvents(database, { log: source });
  const origin = (event: WireEvent) => Number(event["projectedfrom"]);
  return merges ? events.toSorted((a, b) => origin(a) - origin(b)) : events;
}

/** Does the work on a new database, lets it come to rest, and checks what the feeds say. */
export async function checkProjections(
  { feeds, mayErase }: Scenario,
  work: readonly Action[],
  turns: () => number,
): Promise<void> {
  const plain = await newDatabase();
  const database = slowReads(plain, turns);
  const app = await openApp({ database: plain });
  try {
    const registered = await registerFeeds(plain, systemClock, feeds);
    const { writer } = app.store;
    const nodes = Array.from({ length: NODES }, () => nodeOn(writer, database));
    program.broken = false;
    for (const action of work) await perform(app, database, nodes, registered, action, mayErase);
    program.broken = false;

    await (await openProjection({ database: plain, writer }, feeds)).drain(3);
    const both = [...feeds, ...registered.map(renamed)];
    await (await openProjection({ database: plain, writer }, both)).drain();
    const again = (await registerFeeds(plain, systemClock, both)).slice(feeds.length);
    expect(await examine(plain)).toEqual([]);
    const there = new Set((await allEvents(plain, { log: EVENT_LOG_ADDRESS })).map(({ id }) => id));
    for (const [index, one] of registered.entries()) {
      const events = await allEvents(plain, one);
      const rebuilt = again[index];
      if (rebuilt === undefined) throw new Error("it was not rebuilt");
      const source = await sourceOf(plain, one);
      checkReports(events);
      // Nothing is left of what was erased.
      for (const event of events)
        if (!isOfErasure(event)) expect(there).toContain(String(event["projectedfrom"]));
      expect(shortForm(events)).toEqual(folded(one.feed, source));
      const later = await allEvents(plain, rebuilt);
      const erased = new Set([...erasedIn(events), ...erasedIn(later)]);
      expect(published(events, erased)).toEqual(published(later, erased));
      expect(await statesOf(plain, one)).toEqual(await statesOf(plain, rebuilt));
    }
    const before = await Promise.all(registered.map((one) => allEvents(plain, one)));
    const states = await Promise.all(registered.map((one) => statesOf(plain, one)));
    for (const one of registered) {
      if (one.upstream === null) await rebuild(plain, writer, one, [...registered, ...again]);
    }
    await (await openProjection({ database: plain, writer }, both)).drain(3);
    for (const [index, one] of registered.entries()) {
      const after = await allEvents(plain, one);
      expect(shortForm(after)).toEqual(folded(one.feed, await sourceOf(plain, one)));
      // The order of what is published of several subjects is the source's, which may have changed.
      if (isOfRevised(one)) continue;
      expect(bySubject(after)).toEqual(bySubject(before[index] ?? []));
      expect(await statesOf(plain, one)).toEqual(states[index]);
    }
    expect(await examine(plain)).toEqual([]);
  } finally {
    await app.close();
  }
}
