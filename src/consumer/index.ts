import { type ClientOptions, createClient, type KildeEvent } from "../client/index.ts";
import type { Clock } from "../core/clock.ts";
import { runtimeClock } from "../core/runtime-clock.ts";
import type { BackoffOptions, BlockedSubject } from "./blocked.ts";
import { type Counts, noCounts } from "./counts.ts";
import type { ConsumerDeps } from "./deps.ts";
import type { EnsuredSubject, Need } from "./ensure.ts";
import { createEngine } from "./engine.ts";
import type { Engine, EngineOptions, Phase } from "./engine-types.ts";
import type { FeedStart } from "./feed-position.ts";
import { createHistory } from "./history.ts";
import {
  admitNew,
  admitOld,
  type Agreement,
  createMigration,
  firstUnreached,
  type Migrated,
  type Migration,
  notOf,
} from "./migrate.ts";
import { checkNeed, checkOptions, checkReconstitute } from "./options.ts";
import type { ReconstituteOptions } from "./reconstitute.ts";
import type { Reconstitution } from "./reconstitution.ts";
import type { ConsumerStore } from "./store.ts";
import { createFailureReports } from "./failure-reports.ts";
import { guardTransactions } from "./transaction-guard.ts";
import type { Transport } from "./transport.ts";
import { type ConsumerEvent, consumerEvent, type EventTypes, type FeedReference } from "./types.ts";

export { type HandlerFailure, HandlerError } from "./failure.ts";
export { UnreportedFailuresError } from "./failure-reports.ts";
export { NestedConsumerError } from "./transaction-guard.ts";
export { LogRestoredError } from "./restore.ts";
export { FeedRetiredError } from "./retired.ts";
export { libsqlStore } from "./libsql-store.ts";
export { postgresStore, type PostgresStoreOptions, type PostgresTransaction } from "./postgres-store.ts";
export { memoryStore, type MemoryStore, type MemoryTransaction } from "./memory-store.ts";
export { eventLog, feed } from "./types.ts";
export type {
  BackoffOptions,
  BlockedSubject,
  ConsumerEvent,
  Counts,
  EnsuredSubject,
  EventTypes,
  FeedReference,
};
export type { Agreement, Migrated, Migration, Need, Phase, ReconstituteOptions, Reconstitution, Transport };
export type { DefinedFeed, TypesOf } from "./types.ts";
export type { Healed } from "./reconstitution.ts";
export type * from "./store.ts";

/** The version of a feed that a consumer leaves. */
export interface MigrateFrom<Types extends EventTypes, Tx> {
  readonly feed: FeedReference<Types>;
  /** What is done with events of subjects that are still with it. */
  readonly handle: (event: ConsumerEvent<Types>, tx: Tx) => void | Promise<void>;
  /** As of the consumer; for subjects that are still with this version. */
  readonly reset?: (subject: string, tx: Tx) => void | Promise<void>;
}

export interface ConsumerOptions<Types extends EventTypes, Tx, OldTypes extends EventTypes = EventTypes> {
  /** Where the server is: `http://127.0.0.1:4000`. */
  readonly url: string;
  /** What is consumed: `feed(declarations)`, `feed("declarations/v2")`, or `eventLog()`. */
  readonly feed: FeedReference<Types>;
  /** By which the server and the store know the consumer. One name is one consumer, in however many processes. */
  readonly name: string;
  /** Where it keeps its cursors: the database that `handle` writes to. */
  readonly store: ConsumerStore<Tx>;
  /**
   * What is done with an event. What it does with `tx` is committed together with the cursor, so that it is done
   * exactly once; what else it does may be repeated. If it fails, its subject is blocked, and tried again.
   */
  readonly handle: (event: ConsumerEvent<Types>, tx: Tx) => void | Promise<void>;
  /**
   * Removes all that `handle` made of a subject, in the transaction that puts the subject's cursor back to its beginning.
   * Called when the server was restored from a backup and no longer has events of the subject that were handled; what the
   * feed has of it now is handled next. Default: none, and then the consumer halts with a `LogRestoredError`.
   */
  readonly reset?: (subject: string, tx: Tx) => void | Promise<void>;
  /**
   * The version that was consumed so far, under the same name: each subject stays with it until `migration` switches it.
   * Subjects that are new begin with `feed`.
   */
  readonly migrateFrom?: MigrateFrom<OldTypes, Tx>;
  /** How events come. Default: `"sse"`. With `"push"` they come by `receive`. */
  readonly transport?: Transport;
  /** Where a new consumer begins. Default: `"beginning"`. */
  readonly from?: FeedStart;
  /** How blocked subjects, and a server or store that cannot be used, are tried again. Default: 500 ms doubling up to 60,000 ms. */
  readonly backoff?: Partial<BackoffOptions>;
  /** Most events of one transaction. Default: 500. */
  readonly batchEvents?: number;
  /** How often the server is told how far the consumer is, in milliseconds. Default: 1,000. */
  readonly commitIntervalMs?: number;
  /** Reconstitutes by itself, so often. Default: only when `reconstitute` is called. */
  readonly reconstituteEveryMs?: number;
  /**
   * Called with every failure, also those that are retried: a `HandlerError` for each attempt of a handler that throws,
   * errors of the store, and of requests. At most 100 in 10 seconds; then one `UnreportedFailuresError` with the number of
   * the others. Default: 5 in a minute are printed on standard error.
   */
  readonly onError?: (error: unknown) => void;
  /** Told of each reconstitution that it did by itself. */
  readonly onReconstituted?: (found: Reconstitution) => void;
  /** Headers, `fetch` and the like of its requests. */
  readonly client?: Omit<ClientOptions, "url" | "consumer">;
  /** Default: the machine's own. */
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** How a consumer is doing. */
export interface ConsumerStatus {
  readonly phase: Phase;
  /** Position in the feed up to which everything is handled, or its subject blocked; null before the first use. */
  readonly position: number | null;
  /** Position that the server was told last; null: none yet. */
  readonly committed: number | null;
  readonly blocked: readonly BlockedSubject[];
  readonly counts: Readonly<Counts>;
  /** What keeps it from going on, as text; null: nothing. */
  readonly error: string | null;
}

export interface Consumer {
  /** Begins to follow. Nothing happens if it does already. */
  start(): void;
  /** Stops following, when what is under way is done, and tells the server how far it is. */
  stop(): Promise<void>;
  /**
   * Handles events that were delivered, in any order, as often as they like: what `receive` of `kilde/webhook` gives.
   * When it resolves they are handled, or their subjects kept as blocked. Rejects if the store cannot be used: then
   * they should be delivered again.
   */
  receive(events: readonly KildeEvent[]): Promise<void>;
  /**
   * Sees to it that this one subject is there, so that something can be said about it now. Gives how far it is; null
   * if the feed has nothing about it. Calls at the same time share a request. Throws a HandlerError if it cannot be
   * handled, and a KildeError `feed-behind` if the feed has less than the `version` that is needed.
   */
  ensure(subject: string, need?: Need): Promise<EnsuredSubject | null>;
  /** Finds what was lost, also where nothing came after it, and heals it. One at a time: a call during one shares it. */
  reconstitute(options?: ReconstituteOptions): Promise<Reconstitution>;
  status(): ConsumerStatus;
  /** Moves subjects from the version it migrates from; null without one. */
  readonly migration: (Migration & { status(): ConsumerStatus }) | null;
}

const BACKOFF: BackoffOptions = { delayMs: 500, maxDelayMs: 60_000 };
const BATCH_EVENTS = 500;
const COMMIT_INTERVAL_MS = 1_000;

/** Under which the store keeps what a consumer has of a feed. */
function keyOf(name: string, { log }: FeedReference): string {
  return `${name} ${log ?? "events"}`;
}

function statusOf(engine: Engine): ConsumerStatus {
  return {
    phase: engine.phase(),
    position: engine.position(),
    committed: engine.committed(),
    blocked: engine.blocked.list(),
    counts: { ...engine.counts },
    error: engine.error()?.message ?? null,
  };
}

/** Makes a consumer. It does nothing until it is started, or asked for something. */
export function createConsumer<Types extends EventTypes, Tx, OldTypes extends EventTypes = EventTypes>(
  options: ConsumerOptions<Types, Tx, OldTypes>,
): Consumer {
  checkOptions(options as object, BACKOFF);
  const { name, migrateFrom } = options;
  const { store, outside } = guardTransactions(options.store, name);
  const clock = options.clock ?? runtimeClock;
  const report = createFailureReports({ name, onError: options.onError, clock });
  const onRetry = (error: unknown) => {
    report(error);
    for (const each of engines) each.noteOutage(error);
    options.client?.onRetry?.(error);
  };
  const shared = {
    client: createClient({ ...options.client, url: options.url, consumer: name, onRetry }),
    store,
    report,
    clock,
    random: options.random ?? Math.random,
  };
  const engineOptions: EngineOptions = {
    transport: options.transport ?? "sse",
    from: options.from ?? "beginning",
    backoff: { ...BACKOFF, ...options.backoff },
    batchEvents: options.batchEvents ?? BATCH_EVENTS,
    commitIntervalMs: options.commitIntervalMs ?? COMMIT_INTERVAL_MS,
    reconstituteEveryMs: options.reconstituteEveryMs ?? null,
    onReconstituted: options.onReconstituted ?? (() => {}),
  };
  const key = keyOf(name, options.feed);
  const oldKey = migrateFrom === undefined ? null : keyOf(name, migrateFrom.feed);
  const { client } = shared;
  const deps: ConsumerDeps<Tx> = {
    ...shared,
    key,
    log: options.feed.log,
    history: createHistory({ client, log: options.feed.log }),
    counts: noCounts(),
    reset: options.reset ?? null,
    successor: null,
    // That the feed keeps to its contract is what the types are.
    handle: (event, tx) => options.handle(event as ConsumerEvent<Types>, tx),
    admit: oldKey === null ? async (_tx, names) => new Set(names) : admitNew(store, oldKey),
    concerns: oldKey === null ? async (names) => new Set(names) : notOf(store, oldKey),
    firstUnreached: async (subject) => (before === null ? null : firstUnreached(before, subject)),
  };
  const engine = createEngine(deps, engineOptions);
  const before = migrateFrom === undefined || oldKey === null ? null : sideBefore(migrateFrom, oldKey);
  const engines: readonly Engine[] = before === null ? [engine] : [engine, before.engine];

  function sideBefore({ feed, handle, reset }: MigrateFrom<OldTypes, Tx>, its: string) {
    const oldDeps: ConsumerDeps<Tx> = {
      ...shared,
      key: its,
      log: feed.log,
      history: createHistory({ client, log: feed.log }),
      counts: noCounts(),
      reset: reset ?? null,
      successor: { key, reset: options.reset ?? null, learn: (cursors) => engine.blocked.learn(cursors) },
      handle: (event, tx) => handle(event as ConsumerEvent<OldTypes>, tx),
      admit: admitOld(store, key),
      concerns: notOf(store, key),
      firstUnreached: async () => null,
    };
    const transport = engineOptions.transport === "push" ? "sse" : engineOptions.transport;
    return { deps: oldDeps, engine: createEngine(oldDeps, { ...engineOptions, transport }) };
  }

  /** The version that handles a subject. */
  const engineOf = async (subject: string): Promise<Engine> => {
    if (before === null) return engine;
    await before.engine.prepare();
    const [old] = await store.readSubjects(before.deps.key, [subject]);
    return old === undefined || old.status === "released" ? engine : before.engine;
  };

  let running: { readonly stopping: AbortController; readonly ended: Promise<unknown> } | null = null;
  let reconstituting: Promise<Reconstitution> | null = null;
  const migration = before === null ? null : createMigration(before, { deps, engine });

  return {
    start() {
      if (running !== null) return;
      const stopping = new AbortController();
      running = { stopping, ended: Promise.all(engines.map((each) => each.run(stopping.signal))) };
    },
    stop: () =>
      outside(async () => {
        if (running === null) return;
        const { stopping, ended } = running;
        stopping.abort();
        await ended;
        running = null;
      }),
    receive: (events) => outside(() => engine.receive(events.map(consumerEvent))),
    ensure: (subject, need = {}) =>
      outside(async () => {
        checkNeed(need);
        return (await engineOf(subject)).ensure(subject, need);
      }),
    reconstitute: (how = {}) =>
      outside(async () => {
        checkReconstitute(how);
        const signal = how.signal ?? new AbortController().signal;
        reconstituting ??= engine.reconstitute(how, signal).finally(() => {
          reconstituting = null;
        });
        return reconstituting;
      }),
    status: () => statusOf(engine),
    migration:
      migration === null || before === null ? null : { ...migration, status: () => statusOf(before.engine) },
  };
}
