/**
 * `following`: events are handled as they arrive. `blocked`: events after `version` exist and are pulled at the next
 * retry. `released`: another version of the feed has taken the subject over.
 */
export type SubjectStatus = "following" | "blocked" | "released";

/** Progress of a consumer on one subject. */
export interface SubjectCursor {
  readonly subject: string;
  /** Version of the last handled event; 0: none. */
  readonly version: number;
  /** Version of the last event that the feed is known to have; at least `version`. */
  readonly known: number;
  /** Position in the feed of the last handled event. */
  readonly position: number;
  /** Identity of the feed at that event; null: it was handled before feeds had identities. */
  readonly identity: string | null;
  /** Position in the event log of the source of that event, or its own; versions of a feed share these positions. */
  readonly source: number;
  readonly status: SubjectStatus;
  /** The failure that blocks the subject, as JSON text; null when it only lacks events. */
  readonly failure: string | null;
  /**
   * Version of the last event that reported a partial erasure, after which the subject was forgotten and read again.
   * Default: 0.
   */
  readonly revised?: number;
}

/** Progress of a consumer on a feed. */
export interface FeedCursor {
  /** Everything up to this position is handled, or its subject is blocked. */
  readonly position: number;
  /** The consumer started after this position; 0: at the beginning. */
  readonly since: number;
  /** State of reconstitution, as JSON text; null before the first. */
  readonly reconstitution: string | null;
  /** Identity of the feed that the positions belong to; null: they were saved before feeds had identities. */
  readonly identity: string | null;
}

/**
 * Changes of a feed's cursor; `position` and `since` never decrease. Positions of another identity name other events,
 * so the changes apply only if `identity` is the saved one, or none is saved.
 */
export interface FeedChanges {
  readonly identity: string | null;
  readonly position?: number;
  readonly since?: number;
  readonly reconstitution?: string;
}

/** Selects subjects of a consumer. */
export type SubjectSelection =
  | { readonly status: Exclude<SubjectStatus, "following"> }
  /** Subjects whose last event was handled under another identity. */
  | { readonly notOf: string }
  /** All subjects up to a name; null: all. */
  | { readonly upTo: string | null };

/**
 * The store of a consumer's cursors: the database that its handlers write to, so that both commit together. `key`
 * identifies a consumer of one feed. `Tx` is the transaction that handlers get.
 *
 * Exactly-once handling rests on two guarantees: `transact` is atomic, and from `lock` to the end of its transaction
 * no other transaction, of any process, changes the cursors that it returned.
 */
export interface ConsumerStore<Tx> {
  /** Whether handlers may use one transaction concurrently. */
  readonly sharesTransactions: boolean;
  /** Most concurrent transactions; 1 or more. */
  readonly transactions: number;
  /** Creates missing tables and columns. Called once, before all other methods. */
  prepare(): Promise<void>;
  /** Commits the writes of `work` when it resolves, and undoes them when it rejects. */
  transact<Result>(work: (tx: Tx) => Promise<Result>): Promise<Result>;
  /** Reads and locks the cursors of the subjects that have one. */
  lock(tx: Tx, key: string, subjects: readonly string[]): Promise<readonly SubjectCursor[]>;
  /** Saves cursors, in place of earlier ones. */
  saveSubjects(tx: Tx, key: string, cursors: readonly SubjectCursor[]): Promise<void>;
  /** Changes the cursor of the feed if the identity matches; a missing cursor counts as position 0. */
  saveFeed(tx: Tx, key: string, changes: FeedChanges): Promise<void>;
  /** Replaces the cursor of the feed if `from` is the saved identity: the feed was restored. */
  replaceFeed(tx: Tx, key: string, from: string | null, cursor: FeedCursor): Promise<void>;
  readFeed(key: string): Promise<FeedCursor | null>;
  /** Reads the cursors of the subjects that have one. */
  readSubjects(key: string, subjects: readonly string[]): Promise<readonly SubjectCursor[]>;
  /** Lists the first `limit` selected subjects after a name, in order of name (code points). */
  listSubjects(
    key: string,
    selection: SubjectSelection,
    after: string,
    limit: number,
  ): Promise<readonly SubjectCursor[]>;
}
