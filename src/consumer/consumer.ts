import type { ClientOptions, KildeEvent } from "../client/index.ts";
import type { Clock } from "../core/clock.ts";
import type { BackoffOptions, BlockedSubject } from "./blocked.ts";
import type { Counts } from "./counts.ts";
import type { Phase } from "./engine-types.ts";
import type { EnsuredSubject, Need } from "./ensure.ts";
import type { FeedStart } from "./feed-position.ts";
import type { Migration } from "./migrate.ts";
import type { ReconstituteOptions } from "./reconstitute.ts";
import type { Reconstitution } from "./reconstitution.ts";
import type { ConsumerStore } from "./store.ts";
import type { Transport } from "./transport.ts";
import type { ConsumerEvent, EventTypes, FeedReference } from "./types.ts";

/** The version of a feed that a consumer migrates from. */
export interface MigrateFrom<Types extends EventTypes, Tx> {
  readonly feed: FeedReference<Types>;
  /** Handles events of subjects that are still with this version. */
  readonly handle: (event: ConsumerEvent<Types>, tx: Tx) => void | Promise<void>;
  /** Like `reset` of the consumer, for subjects that are still with this version. */
  readonly reset?: (subject: string, tx: Tx) => void | Promise<void>;
}

export interface ConsumerOptions<Types extends EventTypes, Tx, OldTypes extends EventTypes = EventTypes> {
  /** Address of the server: `http://127.0.0.1:4000`. */
  readonly url: string;
  /** The log to consume: `feed(declarations)`, `feed("declarations/v2")`, or `eventLog()`. */
  readonly feed: FeedReference<Types>;
  /** Name of the consumer for the server and the store. One name is one consumer, in any number of processes. */
  readonly name: string;
  /** The store of its cursors: the database that `handle` writes to. */
  readonly store: ConsumerStore<Tx>;
  /**
   * Handles an event. Writes to `tx` are committed together with the cursor, so they happen exactly once; other
   * effects may be repeated. If the handler fails, its subject is blocked and retried.
   */
  readonly handle: (event: ConsumerEvent<Types>, tx: Tx) => void | Promise<void>;
  /**
   * Removes everything that `handle` wrote for a subject, in the transaction that moves the subject's cursor back to
   * its beginning. Called when the server was restored from a backup and no longer has handled events of the subject;
   * then the consumer handles the events that the feed has now. Default: none, and then the consumer halts with a
   * `LogRestoredError`.
   */
  readonly reset?: (subject: string, tx: Tx) => void | Promise<void>;
  /**
   * The version consumed so far, under the same name: each subject stays with it until `migration` switches it. New
   * subjects start with `feed`.
   */
  readonly migrateFrom?: MigrateFrom<OldTypes, Tx>;
  /** How events arrive. Default: `"sse"`. With `"push"`, `receive` accepts them. */
  readonly transport?: Transport;
  /** Start of a new consumer. Default: `"beginning"`. */
  readonly from?: FeedStart;
  /**
   * Delays between retries of blocked subjects, and of an unavailable server or store. Default: 500 ms, doubling up
   * to 60,000 ms.
   */
  readonly backoff?: Partial<BackoffOptions>;
  /** Most events of one transaction. Default: 500. */
  readonly batchEvents?: number;
  /** Interval of reports of the position to the server, in milliseconds. Default: 1,000. */
  readonly commitIntervalMs?: number;
  /** Interval of automatic reconstitutions, in milliseconds. Default: none, only calls of `reconstitute`. */
  readonly reconstituteEveryMs?: number;
  /**
   * Called with every failure, including those that are retried: a `HandlerError` for each failed attempt of a
   * handler, errors of the store, and of requests. At most 100 in 10 seconds; then one `UnreportedFailuresError` with
   * the number of the others. Default: prints up to 5 in a minute to standard error.
   */
  readonly onError?: (error: unknown) => void;
  /** Called after each automatic reconstitution. */
  readonly onReconstituted?: (found: Reconstitution) => void;
  /** Further options of its client, such as `headers` and `fetch`. */
  readonly client?: Omit<ClientOptions, "url" | "consumer">;
  /** Default: the system clock. */
  readonly clock?: Clock;
  readonly random?: () => number;
}

/** State of a consumer. */
export interface ConsumerStatus {
  readonly phase: Phase;
  /** Position in the feed up to which every event is handled, or its subject blocked; null before the first use. */
  readonly position: number | null;
  /** Last position reported to the server; null: none yet. */
  readonly committed: number | null;
  readonly blocked: readonly BlockedSubject[];
  readonly counts: Readonly<Counts>;
  /** The error that keeps it from continuing, as text; null: none. */
  readonly error: string | null;
}

export interface Consumer {
  /** Starts to follow. Does nothing if it already follows. */
  start(): void;
  /** Finishes the current work, stops following, and reports the position to the server. */
  stop(): Promise<void>;
  /**
   * Handles delivered events, in any order and any number of times: pass the result of `receive` of `kilde/webhook`.
   * When it resolves, each event is handled, or its subject saved as blocked. Rejects if the store is unavailable:
   * then the events must be delivered again.
   */
  receive(events: readonly KildeEvent[]): Promise<void>;
  /**
   * Loads one subject now, so that the caller can use its current state, and returns its progress; null if the feed
   * has no events about it. Concurrent calls share a request. Throws a HandlerError if the handler fails, and a
   * KildeError `feed-behind` if the feed has less than the required `version`.
   */
  ensure(subject: string, need?: Need): Promise<EnsuredSubject | null>;
  /**
   * Finds and heals lost events, including the last event of a subject. Runs one at a time: a concurrent call shares
   * the current run.
   */
  reconstitute(options?: ReconstituteOptions): Promise<Reconstitution>;
  status(): ConsumerStatus;
  /** Moves subjects from the version in `migrateFrom`; null without one. */
  readonly migration: (Migration & { status(): ConsumerStatus }) | null;
}
