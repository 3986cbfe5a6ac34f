import { createClient } from "../client/index.ts";
import { runtimeClock } from "../core/runtime-clock.ts";
import type { BackoffOptions, BlockedSubject } from "./blocked.ts";
import type { Agreement } from "./agreement.ts";
import type { Consumer, ConsumerOptions, ConsumerStatus } from "./consumer.ts";
import type { Counts } from "./counts.ts";
import type { EnsuredSubject, Need } from "./ensure.ts";
import type { Engine, EngineOptions, Phase } from "./engine-types.ts";
import { createMigration, type Migrated, type Migration } from "./migrate.ts";
import { checkNeed, checkOptions, checkReconstitute } from "./options.ts";
import type { ReconstituteOptions } from "./reconstitute.ts";
import type { Reconstitution } from "./reconstitution.ts";
import { createFailureReports } from "./failure-reports.ts";
import { createSides } from "./sides.ts";
import { guardTransactions } from "./transaction-guard.ts";
import type { Transport } from "./transport.ts";
import { type ConsumerEvent, consumerEvent, type EventTypes, type FeedReference } from "./types.ts";

export { type HandlerFailure, HandlerError } from "./failure.ts";
export { UnreportedFailuresError } from "./failure-reports.ts";
export { NestedConsumerError } from "./transaction-guard.ts";
export { LogRestoredError } from "./restore.ts";
export { FeedRetiredError } from "./retired.ts";
export { type LibsqlDatabase, libsqlStore } from "./libsql-store.ts";
export { type PostgresDatabase, postgresStore, type PostgresStoreOptions } from "./postgres-store.ts";
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
export type { DefinedFeed, InputSchema, TypesOf } from "./types.ts";
export type { Healed } from "./reconstitution.ts";
export type * from "./store.ts";
export type * from "./consumer.ts";

const BACKOFF: BackoffOptions = { delayMs: 500, maxDelayMs: 60_000 };
const BATCH_EVENTS = 500;
const COMMIT_INTERVAL_MS = 1_000;

function engineOptionsOf<Types extends EventTypes, Tx, OldTypes extends EventTypes>(
  options: ConsumerOptions<Types, Tx, OldTypes>,
): EngineOptions {
  return {
    transport: options.transport ?? "sse",
    from: options.from ?? "beginning",
    backoff: { ...BACKOFF, ...options.backoff },
    batchEvents: options.batchEvents ?? BATCH_EVENTS,
    commitIntervalMs: options.commitIntervalMs ?? COMMIT_INTERVAL_MS,
    reconstituteEveryMs: options.reconstituteEveryMs ?? null,
    onReconstituted: options.onReconstituted ?? (() => {}),
  };
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

/**
 * Creates a consumer. It does nothing before `start` or another method is called.
 *
 * @example
 * ```ts
 * import { createClient } from "@libsql/client";
 * import { sql } from "drizzle-orm";
 * import { drizzle } from "drizzle-orm/libsql";
 * import { createConsumer, feed, libsqlStore } from "kilde/consumer";
 *
 * const database = drizzle(createClient({ url: "file:billing.db" }));
 * const consumer = createConsumer({
 *   url: "http://127.0.0.1:4000",
 *   feed: feed<{ UserAdded: { name: string } }>("users/v1"),
 *   name: "billing",
 *   store: libsqlStore(database),
 *   async handle(event, tx) {
 *     if (event.type !== "UserAdded") return;
 *     await tx.run(sql`insert into customers (id, name) values (${event.subject}, ${event.data.name})`);
 *   },
 * });
 * consumer.start();
 * ```
 */
export function createConsumer<Types extends EventTypes, Tx, OldTypes extends EventTypes = EventTypes>(
  options: ConsumerOptions<Types, Tx, OldTypes>,
): Consumer {
  checkOptions(options as object, BACKOFF);
  const { name } = options;
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
  const { current, previous } = createSides(options, shared, engineOptionsOf(options));
  const { engine } = current;
  const engines: readonly Engine[] = previous === null ? [engine] : [engine, previous.engine];

  /** The engine of the version that handles a subject. */
  const engineOf = async (subject: string): Promise<Engine> => {
    if (previous === null) return engine;
    await previous.engine.prepare();
    const [old] = await store.readSubjects(previous.deps.key, [subject]);
    return old === undefined || old.status === "released" ? engine : previous.engine;
  };

  let running: { readonly stopping: AbortController; readonly ended: Promise<unknown> } | null = null;
  let reconstituting: Promise<Reconstitution> | null = null;
  const migration = previous === null ? null : createMigration(previous, current);

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
      migration === null || previous === null
        ? null
        : { ...migration, status: () => statusOf(previous.engine) },
  };
}
