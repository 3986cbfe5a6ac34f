import type { Client, FeedVersion } from "../client/index.ts";
import type { Clock } from "../core/clock.ts";
import type { ConsumerStore, SubjectCursor } from "./store.ts";
import type { ConsumerEvent } from "./types.ts";

/** What is done with an event, in the transaction that keeps the cursor. */
export type Handle<Tx> = (event: ConsumerEvent, tx: Tx) => void | Promise<void>;

/**
 * Which of some subjects are this consumer's to handle, asked in the transaction that would. A subject without a
 * cursor yet is in `names`, and not in `cursors`.
 */
export type Admit<Tx> = (
  tx: Tx,
  names: readonly string[],
  cursors: ReadonlyMap<string, SubjectCursor>,
) => Promise<ReadonlySet<string>>;

/** What all parts of a consumer of one feed need. */
export interface ConsumerDeps<Tx> {
  readonly client: Client;
  readonly store: ConsumerStore<Tx>;
  /** Under which the store keeps its cursors. */
  readonly key: string;
  readonly log: FeedVersion | null;
  readonly handle: Handle<Tx>;
  readonly admit: Admit<Tx>;
  /** Which of some subjects reconstitution is to look at. */
  readonly concerns: (names: readonly string[]) => Promise<ReadonlySet<string>>;
  readonly clock: Clock;
  /** 0 up to 1; spreads attempts. */
  readonly random: () => number;
}
