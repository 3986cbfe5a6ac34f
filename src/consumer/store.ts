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
}

/** What changes of it; `position` and `since` never become less. */
export interface FeedChanges {
  readonly position?: number;
  readonly since?: number;
  readonly reconstitution?: string;
}

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
  /** Changes the cursor of the feed; without one it is at position 0. */
  saveFeed(tx: Tx, key: string, changes: FeedChanges): Promise<void>;
  readFeed(key: string): Promise<FeedCursor | null>;
  /** Cursors of those of the subjects that have one. */
  readSubjects(key: string, subjects: readonly string[]): Promise<readonly SubjectCursor[]>;
  /** The first `limit` subjects of a status after a name, in order of name (code points). */
  listSubjects(
    key: string,
    status: Exclude<SubjectStatus, "following">,
    after: string,
    limit: number,
  ): Promise<readonly SubjectCursor[]>;
}
