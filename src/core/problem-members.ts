/** One fault of a request: a JSON pointer into the body, or the name of a parameter. */
export interface ProblemDetail {
  readonly pointer?: string;
  readonly parameter?: string;
  readonly detail: string;
}

/** Members that a program can act on, in addition to those of RFC 9457. */
export interface ProblemMembers {
  /** The kind of the error and its remedy, for people: of errors that a server answered. */
  readonly title?: string;
  readonly remedy?: string;
  readonly currentVersion?: number;
  readonly stream?: string;
  readonly head?: number;
  readonly position?: number;
  /** Identity of the log. */
  readonly log?: string;
  /** Last position that two histories of a log have in common; null when unknown. */
  readonly parted?: number | null;
  readonly limit?: string;
  /** Time before another attempt, in seconds. */
  readonly retryAfterSeconds?: number;
  /** Whether the request has no credentials, or some that are not valid. */
  readonly credentials?: "missing" | "invalid";
  /** The grant that the sender lacks. */
  readonly needs?: string;
  /** Name of the sender; null: it has none. */
  readonly principal?: string | null;
  /** Progress of a feed that is behind, in positions of its source. */
  readonly progress?: {
    readonly done: number;
    readonly total: number;
    readonly eventsPerSecond: number;
    /** Null while it is unknown. */
    readonly secondsLeft: number | null;
  };
  readonly errors?: readonly ProblemDetail[];
  /** Number of faults; `errors` lists the first 20. */
  readonly errorCount?: number;
}
