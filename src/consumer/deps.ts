import type { Client, FeedVersion } from "../client/index.ts";
import type { Clock } from "../core/clock.ts";
import type { Counts } from "./counts.ts";
import type { History } from "./history.ts";
import type { ConsumerStore, SubjectCursor } from "./store.ts";
import type { ConsumerEvent } from "./types.ts";

/** Handles an event, in the transaction that saves the cursor. */
export type Handle<Tx> = (event: ConsumerEvent, tx: Tx) => void | Promise<void>;

/**
 * Removes everything that the handler wrote for a subject, in the transaction that moves its cursor back to the
 * beginning.
 */
export type Reset<Tx> = (subject: string, tx: Tx) => void | Promise<void>;

/**
 * Selects the subjects that this consumer handles, within the transaction that will handle them. A subject without a
 * cursor is in `names`, but not in `cursors`.
 */
export type Admit<Tx> = (
  tx: Tx,
  names: readonly string[],
  cursors: ReadonlyMap<string, SubjectCursor>,
) => Promise<ReadonlySet<string>>;

/** The version of a feed to which subjects were switched. */
export interface Successor<Tx> {
  /** Under which the store keeps its cursors. */
  readonly key: string;
  readonly reset: Reset<Tx> | null;
  /** Reports cursors that are saved as blocked, so that the version reads their subjects again. */
  readonly learn: (cursors: Iterable<SubjectCursor>) => void;
}

/** Dependencies that all parts of a consumer of one feed share. */
export interface ConsumerDeps<Tx> {
  readonly client: Client;
  readonly store: ConsumerStore<Tx>;
  /** Under which the store keeps its cursors. */
  readonly key: string;
  readonly log: FeedVersion | null;
  readonly handle: Handle<Tx>;
  /** Null: the consumer halts when the feed no longer has handled events. */
  readonly reset: Reset<Tx> | null;
  /** Null unless the consumer migrates away from this version. */
  readonly successor: Successor<Tx> | null;
  readonly history: History;
  readonly counts: Counts;
  /** Reports a failure to `onError`, or prints it to standard error. */
  readonly report: (error: unknown) => void;
  readonly admit: Admit<Tx>;
  /** Selects the subjects that reconstitution checks. */
  readonly concerns: (names: readonly string[]) => Promise<ReadonlySet<string>>;
  /**
   * Position in the event log of the first event of a subject that the previous version has not reached; null: it has
   * reached them all, or the consumer does not migrate.
   */
  readonly firstUnreached: (subject: string) => Promise<number | null>;
  readonly clock: Clock;
  /** A random number from 0 up to 1, which spreads retries. */
  readonly random: () => number;
}
