import type { Client, FeedVersion } from "../client/index.ts";
import type { Clock } from "../core/clock.ts";
import type { Counts } from "./counts.ts";
import type { History } from "./history.ts";
import type { ConsumerStore, SubjectCursor } from "./store.ts";
import type { ConsumerEvent } from "./types.ts";

/** What is done with an event, in the transaction that keeps the cursor. */
export type Handle<Tx> = (event: ConsumerEvent, tx: Tx) => void | Promise<void>;

/** Removes all that the handler made of a subject, in the transaction that puts its cursor back to the beginning. */
export type Reset<Tx> = (subject: string, tx: Tx) => void | Promise<void>;

/**
 * Which of some subjects are this consumer's to handle, asked in the transaction that would. A subject without a
 * cursor yet is in `names`, and not in `cursors`.
 */
export type Admit<Tx> = (
  tx: Tx,
  names: readonly string[],
  cursors: ReadonlyMap<string, SubjectCursor>,
) => Promise<ReadonlySet<string>>;

/** The version of a feed that subjects were released to. */
export interface Successor<Tx> {
  /** Under which the store keeps its cursors. */
  readonly key: string;
  readonly reset: Reset<Tx> | null;
  /** Has it read subjects again that are kept as blocked. */
  readonly learn: (cursors: Iterable<SubjectCursor>) => void;
}

/** What all parts of a consumer of one feed need. */
export interface ConsumerDeps<Tx> {
  readonly client: Client;
  readonly store: ConsumerStore<Tx>;
  /** Under which the store keeps its cursors. */
  readonly key: string;
  readonly log: FeedVersion | null;
  readonly handle: Handle<Tx>;
  /** Null: the consumer stops when the feed no longer has what was handled. */
  readonly reset: Reset<Tx> | null;
  /** Null unless this is the version that a consumer leaves. */
  readonly successor: Successor<Tx> | null;
  readonly history: History;
  readonly counts: Counts;
  /** Reports a failure to `onError`, or to standard error. */
  readonly report: (error: unknown) => void;
  readonly admit: Admit<Tx>;
  /** Which of some subjects reconstitution is to look at. */
  readonly concerns: (names: readonly string[]) => Promise<ReadonlySet<string>>;
  /**
   * Position in the event log of the first event of a subject that the version which the consumer leaves has not reached;
   * null: it has reached them all, or there is no such version.
   */
  readonly firstUnreached: (subject: string) => Promise<number | null>;
  readonly clock: Clock;
  /** 0 up to 1; spreads attempts. */
  readonly random: () => number;
}
