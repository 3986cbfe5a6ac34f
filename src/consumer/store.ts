/**
 * `following`: events are handled as they come. `blocked`: there are events after `version`, and they are pulled when
 * it is time for another attempt. `released`: another version of the feed has taken the subject over.
 */
export type SubjectStatus = "following" | "blocked" | "released";

/** How far a consumer is with one subject. */
export interface SubjectCursor {
  readonly subject: string;
  /** Version of the last event that was handled; 0: none. */
  readonly version: number;
  /** Version of the last event that the feed is known to have; no less than `version`. */
  readonly known: number;
  /** Position in the feed of the last event that was handled. */
  readonly position: number;
  /** Identity of the feed when that event was handled; null: it was handled before feeds had identities. */
  readonly identity: string | null;
  /** Position in the event log of what it was projected from, or its own; what versions of a feed have in common. */
  readonly source: number;
  readonly status: SubjectStatus;
  /** Why a subject is blocked, as JSON text; null when it only lacks events. */
  readonly failure: string | null;
  /**
   * Version of the last event that reported an erasure in part for which the subject was forgotten and read again;
   * absent: 0.
   */
  readonly revised?: number;
}

/** How far a consumer is with a feed. */
export interface FeedCursor {
  /** Everything up to it is handled, or noted as lacking by a blocked subject. */
  readonly position: number;
  /** The consumer began after it; 0: at the beginning. */
  readonly since: number;
  /** JSON text of what reconstitution keeps; null before the first. */
  readonly reconstitution: string | null;
  /** Identity of the feed that the positions belong to; null: they were kept before feeds had identities. */
  readonly identity: string | null;
}

/**
 * What changes of it; `position` and `since` never become less. Positions of another identity than the one kept mean
 * other events, so that the changes apply only where `identity` is the one kept, or none is kept.
 */
export interface FeedChanges {
  readonly identity: string | null;
  readonly position?: number;
  readonly since?: number;
  readonly reconstitution?: string;
}

/** Which of a consumer's subjects to list. */
export type SubjectSelection =
  | { readonly status: Exclude<SubjectStatus, "following"> }
  /** Those whose last event was handled under another identity than this one. */
  | { readonly notOf: string }
  /** All, up to a name; null: up to the last one. */
  | { readonly upTo: string | null };

/**
 * Where a consumer keeps its cursors: the database that its handlers write to, so that both commit together. `key`
 * stands for a consumer of one feed. `Tx` is what handlers get.
 *
 * Exactly once rests on two promises: `transact` is atomic, and from `lock` to the end of its transaction no other
 * transaction, of whatever process, changes the cursors that it gave.
 */
export interface ConsumerStore<Tx> {
  /** Whether several handlers may use one transaction at the same time. */
  readonly sharesTransactions: boolean;
  /** How many transactions may be open at the same time; 1 or more. */
  readonly transactions: number;
  /** Makes what is lacking in the database. Called once, before anything else. */
  prepare(): Promise<void>;
  /** Commits what `work` does when it resolves, and undoes it when it rejects. */
  transact<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result>;
  /** Cursors of those of the subjects that have one, locked. */
  lock(tx: Tx, key: string, subjects: readonly string[]): Promise<readonly SubjectCursor[]>;
  /** Keeps cursors, in place of what was kept. */
  saveSubjects(tx: Tx, key: string, cursors: readonly SubjectCursor[]): Promise<void>;
  /** Changes the cursor of the feed, if the identity is right; without one it is at position 0. */
  saveFeed(tx: Tx, key: string, changes: FeedChanges): Promise<void>;
  /** Replaces the cursor of the feed if the identity `from` is the one kept: the feed was restored. */
  replaceFeed(tx: Tx, key: string, from: string | null, cursor: FeedCursor): Promise<void>;
  readFeed(key: string): Promise<FeedCursor | null>;
  /** Cursors of those of the subjects that have one. */
  readSubjects(key: string, subjects: readonly string[]): Promise<readonly SubjectCursor[]>;
  /** The first `limit` selected subjects after a name, in order of name (code points). */
  listSubjects(
    key: string,
    selection: SubjectSelection,
    after: string,
    limit: number,
  ): Promise<readonly SubjectCursor[]>;
}
