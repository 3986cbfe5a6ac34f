import { expect } from "bun:test";

import fc from "fast-check";

import { NOBODY } from "../../src/administration/actor.ts";
import { KildeError } from "../../src/core/errors.ts";
import { RESUME_FEED } from "../../src/feeds/feeds.ts";
import { hydrate } from "../../src/feeds/project/hydrate.ts";
import { createSourceReads, type SourceReads } from "../../src/feeds/project/source-reads.ts";
import { createProjector, type Projector } from "../../src/feeds/project/projector.ts";
import type { RegisteredFeed } from "../../src/feeds/lifecycle/register.ts";
import { rebuildFeed } from "../../src/feeds/lifecycle/retire.ts";
import { readFeed } from "../../src/feeds/record.ts";
import { projectInSlices } from "../../src/feeds/project/slice.ts";
import type { Database, Statement } from "../../src/storage/database.ts";
import { takeLease } from "../../src/storage/lease.ts";
import type { LogWriter } from "../../src/log/append/writer.ts";
import type { Written } from "../../src/storage/batch-writer.ts";
import { systemClock } from "../../src/core/system-clock.ts";
import type { TestApp } from "../support/app.ts";
import { clearAll } from "../support/clear-all.ts";

/** A fault: of a read; of a write, before or after it was done, or while it is still on its way. */
type Fault = "read" | "lost" | "unanswered" | "late";

export type Action =
  | { readonly kind: "append"; readonly stream: number; readonly types: readonly string[] }
  | { readonly kind: "erase"; readonly stream: number }
  /** So many steps in a row: each but the first begins while the batches before it are written. */
  | {
      readonly kind: "step";
      readonly node: number;
      readonly feed: number;
      readonly batch: number;
      readonly steps: number;
    }
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
  /** A call of the node's fails after so many that succeed, and either kills the node, or is all that goes wrong. */
  | {
      readonly kind: "fault";
      readonly node: number;
      readonly fault: Fault;
      readonly after: number;
      readonly kills: boolean;
    }
  | { readonly kind: "lease-lost"; readonly feed: number }
  /** The database's clock is corrected, so that leases run out much later, or are over. */
  | { readonly kind: "clock-step"; readonly hours: number }
  /** Of a feed, and those that are projected from it. */
  | { readonly kind: "rebuild"; readonly feed: number }
  /** A process is started again, with the feeds of another release. */
  | { readonly kind: "deploy"; readonly node: number; readonly release: number }
  /** The first events of a stream go, as far as every feed has projected them. */
  | { readonly kind: "truncate"; readonly stream: number }
  /** Everything that a feed has published, compared with the reads before. */
  | { readonly kind: "read"; readonly feed: number }
  /** The feeds of a process step together, as they do under a load of appends. */
  | { readonly kind: "tick"; readonly node: number; readonly batch: number; readonly steps: number }
  /** All at the same time. */
  | { readonly kind: "race"; readonly actions: readonly Action[] };

/** Whether the program that projects is broken, for handlers of scenarios: feeds halt, and resume when it is corrected. */
export const program = { broken: false };

export const NODES = 2;
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
      steps: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("tick" as const),
      node: fc.nat(NODES - 1),
      batch: fc.integer({ min: 1, max: 5 }),
      steps: fc.integer({ min: 1, max: 4 }),
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
      fault: fc.constantFrom<Fault>("read", "lost", "unanswered", "late"),
      after: fc.nat(3),
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

/** Work that is done one after the other, and at the same time. */
function actionsOf(one: fc.Arbitrary<Action>, alone: fc.Arbitrary<Action> = one): fc.Arbitrary<Action[]> {
  return fc.array(
    fc.oneof(
      { weight: 3, arbitrary: alone },
      {
        weight: 1,
        arbitrary: fc.record({
          kind: fc.constant("race" as const),
          actions: fc.array(one, { minLength: 2, maxLength: 4 }),
        }),
      },
    ),
    { minLength: 1, maxLength: 60, size: "max" },
  );
}

/** Work on feeds of one release. */
export const actions = actionsOf(single);

const ofReleases: fc.Arbitrary<Action> = fc.oneof(
  { weight: 8, arbitrary: single },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("deploy" as const),
      node: fc.nat(NODES - 1),
      release: fc.nat(1),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("read" as const), feed: fc.nat(MOST_FEEDS - 1) }),
  },
);

/** Work on feeds of two releases. Which events a feed has seen is known only while nothing else is done. */
export const actionsOfReleases = actionsOf(
  ofReleases,
  fc.oneof(
    { weight: 9, arbitrary: ofReleases },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant("truncate" as const), stream: fc.nat(STREAMS - 1) }),
    },
  ),
);

/** Nobody projects while a request waits, except in a race, so that it need not take time. */
const impatient = { ...systemClock, sleep: () => systemClock.yield() };

/** Slices end by the reads they make, not by time. */
const SLICE_MS = 60_000;

/** The error of a failed call. */
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
  /** Token of the lease that it stepped under last; null: it has not stepped. */
  token: number | null;
  /** Whether it takes the lease with a new token: it is new, or its last step failed. */
  isNewTerm: boolean;
  stepped: Promise<unknown>;
}

/** A process: its feeds and projectors, and a database and a writer of which a call may fail. */
export interface Node {
  /** As the release that it runs defines them. */
  feeds: readonly RegisteredFeed[];
  readonly projectors: Map<string, Stepping>;
  /** By source: its feeds share what they read. */
  readonly reads: Map<string, SourceReads>;
  readonly database: Database;
  readonly writer: LogWriter;
  fault: Pick<Extract<Action, { kind: "fault" }>, "fault" | "after" | "kills"> | null;
  /** Resolves when no write is under way, also none of a process that was killed. */
  settle(): Promise<void>;
}

/** `turns`: how many turns of the event loop the next write waits before it is made, so that writes overtake each other. */
export function nodeOn(
  writer: LogWriter,
  database: Database,
  feeds: readonly RegisteredFeed[],
  turns: () => number,
): Node {
  const failAt = (place: Fault) => {
    if (node.fault?.fault !== place) return;
    const { kills, after } = node.fault;
    node.fault = after === 0 ? null : { ...node.fault, after: after - 1 };
    if (after === 0) throw new Failure(place, kills);
  };
  const underWay = new Set<Promise<Written>>();
  const writeLate = async (statements: readonly Statement[]): Promise<Written> => {
    for (let turn = turns(); turn > 0; turn -= 1) await systemClock.yield();
    return writer.write(statements);
  };
  const node: Node = {
    feeds,
    projectors: new Map(),
    reads: new Map(),
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
        const writing = writeLate(statements).finally(() => underWay.delete(writing));
        underWay.add(writing);
        // Nobody learns its outcome in this case.
        writing.catch(() => {});
        failAt("late");
        const written = await writing;
        failAt("unanswered");
        return written;
      },
    },
    async settle() {
      await Promise.allSettled(underWay);
    },
  };
  return node;
}

/** Ends the projectors of a process, with everything that they remember. */
export function crash({ projectors, reads }: Node): void {
  projectors.clear();
  reads.clear();
}

/** The reads that a feed of a process shares with the others of its source. */
function readsOf({ reads, database, feeds }: Node, { source }: RegisteredFeed): SourceReads {
  const group = feeds.filter((feed) => feed.source.id === source.id);
  const known = reads.get(source.name) ?? createSourceReads(database, systemClock, group);
  reads.set(source.name, known);
  return known;
}

/** The same database, with reads that take a random number of turns of the event loop. */
export function slowReads(database: Database, turns: () => number): Database {
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

/** Where the work is done. */
export interface World {
  readonly app: TestApp;
  readonly database: Database;
  readonly nodes: readonly Node[];
  /** The feeds as they are when all is over, which name their logs. */
  readonly feeds: readonly RegisteredFeed[];
  readonly mayErase: boolean;
  /** Whether other actions are performed at the same time. Default: false. */
  readonly isRace?: boolean;
  /** The actions of a simulation beside the common ones. */
  readonly more?: {
    readonly deploy: (node: Node, release: number) => Promise<void>;
    readonly truncate: (stream: string) => Promise<void>;
    readonly read: (feed: RegisteredFeed) => Promise<void>;
  };
}

export async function perform(world: World, action: Action): Promise<void> {
  const { app, database, nodes, feeds, mayErase, more } = world;
  const nodeOf = (number: number): Node => {
    const node = nodes[number];
    if (node === undefined) throw new Error("there is no such node");
    return node;
  };
  const feedOf = (number: number, node?: Node): RegisteredFeed => {
    const feed = (node?.feeds ?? feeds)[number % feeds.length];
    if (feed === undefined) throw new Error("there is no feed");
    return feed;
  };
  /** Errors of a killed process are ignored, and its projectors end; the other processes continue with their own state. */
  const until = async (node: Node, work: () => Promise<unknown>) => {
    try {
      await work();
    } catch (error) {
      const isExpected =
        error instanceof Failure ||
        (error instanceof KildeError && ["feed-behind", "projection-failed"].includes(error.code));
      if (!isExpected) throw error;
      if (!(error instanceof Failure) || error.kills) crash(node);
    }
  };
  const onPublished = () => {};

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
      const registered = feedOf(action.feed, node);
      const rank = registered.contract.revision;
      await until(node, async () => {
        const { name } = registered.log;
        const deps = {
          database: node.database,
          writer: node.writer,
          clock: systemClock,
          mostFlights: 2,
          onPublished,
          reads: readsOf(node, registered),
          batchEvents: action.batch,
        };
        const stepping = node.projectors.get(name) ?? {
          projector: createProjector(deps, registered),
          token: null,
          isNewTerm: true,
          stepped: Promise.resolve(),
        };
        node.projectors.set(name, stepping);
        const step = async () => {
          const { projector, token, isNewTerm } = stepping;
          const lease = await takeLease(node.writer, name, `node-${action.node}`, { rank, isNewTerm });
          if (lease === null) return;
          stepping.token = lease.token;
          stepping.isNewTerm = true;
          // What another process failed at may succeed here.
          let retry = token !== null && token !== lease.token;
          for (let left = action.steps; left > 0; left -= 1) {
            const { kind } = await projector.step({ lease, retry, flush: action.batch % 2 === 0 });
            retry = false;
            if (kind !== "projected") break;
          }
          // Without an error the outcomes of its writes are known, or awaited by its next step.
          stepping.isNewTerm = false;
        };
        stepping.stepped = stepping.stepped.then(step, step);
        await stepping.stepped;
      });
      return;
    }
    case "tick": {
      const { node, batch, steps } = action;
      await Promise.all(feeds.map((_, feed) => perform(world, { kind: "step", node, feed, batch, steps })));
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
        onPublished,
        batchEvents: action.batch,
        retry: false,
      };
      const holder = `node-${action.node}`;
      const work = projectInSlices(
        { ...deps, database: counting, holder, onEvent: () => {} },
        feedOf(action.feed, node),
      );
      const deadline = systemClock.monotonic() + SLICE_MS;
      const { log } = feedOf(action.feed, node);
      const before = await readFeed(database, log);
      const isDisturbed = world.isRace === true || node.fault !== null;
      await until(node, async () => {
        const outcome = await work.run({ deadline, signal: cut.signal });
        // Nobody remembers the progress of a slice, so the next one repeats all that was not stored.
        if (outcome === "progressed" && !isDisturbed)
          expect((await readFeed(database, log))?.epoch).toBeGreaterThan(before?.epoch ?? 0);
      });
      return;
    }
    case "hydrate": {
      const node = nodeOf(action.node);
      const registered = feedOf(action.feed, node);
      const subject = registered.tracked ? `k-${action.subject}` : `s-${action.subject}`;
      const deps = { database: node.database, writer: node.writer, clock: impatient, onPublished };
      await until(node, () => hydrate(deps, registered, subject));
      return;
    }
    case "program":
      program.broken = action.broken;
      for (const { log } of feeds) await app.store.writer.write([{ sql: RESUME_FEED, args: [log.id] }]);
      return;
    case "crash":
      crash(nodeOf(action.node));
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
      const feed = feedOf(action.feed);
      if (more === undefined || feed.feed.draft) await rebuild(database, app.store.writer, feed, feeds);
      return;
    }
    case "deploy": {
      const node = nodeOf(action.node);
      await until(node, async () => await more?.deploy(node, action.release));
      return;
    }
    case "truncate":
      await more?.truncate(`s-${action.stream}`);
      return;
    case "read":
      await more?.read(feedOf(action.feed));
      return;
    case "race":
      await Promise.all(action.actions.map((one) => perform({ ...world, isRace: true }, one)));
  }
}

/** Has a feed built again, and those that are projected from it: as a process empties them. */
export async function rebuild(
  database: Database,
  writer: LogWriter,
  feed: RegisteredFeed,
  all: readonly RegisteredFeed[],
): Promise<void> {
  const draft = (one: RegisteredFeed) => ({ ...one, feed: { ...one.feed, draft: true } });
  await rebuildFeed({ writer, clock: systemClock }, draft(feed), all.map(draft), NOBODY);
  await empty(database, writer);
}

/** Empties the feeds that are to be built again. */
export async function empty(database: Database, writer: LogWriter): Promise<void> {
  const onFailure = (error: unknown) => {
    throw error;
  };
  await clearAll({ database, writer, clock: systemClock }, onFailure);
}
