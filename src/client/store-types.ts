/** Something in a store that a person should look at. */
export interface StoreProblem {
  readonly kind:
    | "feed-halted"
    | "feed-superseded"
    | "subscription-failing"
    | "consumer-blocked"
    | "subscription-paused"
    | "subscription-unknown"
    | "feed-late"
    | "subscription-late"
    | "consumer-late"
    | "feed-silent"
    | "subscription-silent"
    | "consumer-silent";
  /** Path of the feed, subscription or consumer. */
  readonly resource: string;
  readonly detail: string;
  /** Whom it concerns, as the objective states that is missed; null: unknown. */
  readonly contact: string | null;
  /** RFC 3339; null: unknown. */
  readonly since: string | null;
  /** Path of the console's view, and the command that shows or repairs the problem. */
  readonly next: { readonly view: string; readonly command: string };
}

/** The state of a store, as far as the sender may learn of it. */
export interface StoreOverview {
  readonly version: string;
  /** The server's setting `environment`; null: it is not set. */
  readonly environment: string | null;
  /** Time at which the server read the counts and problems; some seconds ago in a large store. */
  readonly time: string;
  /** Head of the event log; null: the sender may not read it. */
  readonly head: number | null;
  /** Growth of the event log in the last hour; null: the sender may not read it, or the server is a worker. */
  readonly activity: {
    /** Time of the first head. */
    readonly since: string;
    /** Time between two heads. */
    readonly stepSeconds: number;
    /** The latest last. */
    readonly heads: readonly number[];
    /** Between each head and the next one. */
    readonly eventsPerSecond: readonly number[];
  } | null;
  /** Feeds by status; `superseded`: those that another release has to project. */
  readonly feeds: Readonly<
    Record<"building" | "live" | "halted" | "rebuilding" | "retiring" | "superseded", number>
  >;
  /** Consumers by state. A silent consumer that neither committed nor has an objective does not count. */
  readonly consumers: Readonly<Record<"keeps-up" | "late" | "blocked" | "silent", number>>;
  /** Subscriptions by state, and their blocked subjects. */
  readonly subscriptions: Readonly<Record<"delivering" | "failing" | "paused" | "blockedSubjects", number>>;
  readonly problemCount: number;
  /** The most urgent ones, at most 100. */
  readonly problems: readonly StoreProblem[];
}

/** Changes of a store since the message before; a member is missing where nothing changed. */
export interface StoreChanges {
  /** New heads of the event log and of feeds, by path. */
  readonly logs?: Readonly<Record<string, number>>;
  /** New head of the log of administration. */
  readonly operations?: number;
  /** Ids of subscriptions that were created, changed or removed, or that delivered something. */
  readonly subscriptions?: readonly string[];
  /** Consumers read, committed or were forgotten. */
  readonly consumers?: true;
  /** A number that differs after each change of a key. */
  readonly keys?: number;
}

export interface ChangesOptions {
  /** Called for each connection, before its first message: changes between connections may have been missed. */
  readonly onOpen?: () => void;
  /** Ends the iteration. */
  readonly signal?: AbortSignal;
}
