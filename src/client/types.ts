import type { AttributeValue } from "../core/attributes.ts";
import type { ExpectedVersion } from "../core/event.ts";
import type { Metadata } from "../core/read-event.ts";
import type { ReasonOptions } from "./stated-reason.ts";

export type { AttributeValue } from "../core/attributes.ts";
export type { ExpectedVersion } from "../core/event.ts";
export type { KildeEvent, Metadata } from "../core/read-event.ts";

/** An event to append. `Data` is any JSON value. */
export interface NewEvent<Data = unknown> {
  /** Name of the event: `UserRegistered`. */
  readonly type: string;
  readonly data?: Data;
  readonly metadata?: Metadata;
  /**
   * Further CloudEvents attributes, with names of lowercase letters and digits: extensions (integers of 32 bits),
   * `dataschema`, and a `datacontenttype` other than application/json.
   */
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  /** Time of the event (RFC 3339). Default: the time of recording. */
  readonly time?: string;
}

export interface AppendOptions {
  /**
   * Default: `"any"`. If the stream is at another version, the append throws a KildeError `version-conflict` with
   * `currentVersion`.
   */
  readonly expectedVersion?: ExpectedVersion;
  /**
   * Makes the append safe to repeat, also from another process. By default each call generates a key, so that the
   * client can retry after a lost answer; `null` sends no key, never retries, and sends the append at once in a request
   * of its own. A key is any text without control characters.
   */
  readonly idempotencyKey?: string | null;
  /**
   * Identity of the event log that the append is based on: `logIdentity` of an event that was read. After a restore
   * of the server, the append throws a KildeError `log-restored`. Default: the identity that this client received
   * last; `null` sends none.
   */
  readonly logIdentity?: string | null;
  /** Called with the identity of the event log in the answer. */
  readonly onLog?: (identity: string) => void;
  readonly signal?: AbortSignal;
}

/** Place of the appended events. */
export interface Appended {
  readonly stream: string;
  /** Version and position of the last event. */
  readonly version: number;
  readonly position: number;
  readonly count: number;
}

export interface StreamAppend {
  readonly stream: string;
  readonly events: readonly NewEvent[];
  readonly expectedVersion?: ExpectedVersion;
}

export interface Filter {
  /** Only events of these types. */
  readonly types?: readonly string[];
  /** Only streams with this prefix; only without `stream`. */
  readonly streamPrefix?: string;
}

/** A version of a feed, `"declarations/v2"`; or `"/operations"`, the log of administration. */
export type FeedVersion = `${string}/v${number}` | "/operations";

export interface ReadOptions extends Filter {
  /** Reads this stream. Default: the whole log. */
  readonly stream?: string;
  /** Reads this feed instead of the event log. */
  readonly feed?: FeedVersion;
  /** Reads this subject of the feed, complete as of the request. */
  readonly subject?: string;
  /**
   * Requires an answer that includes this position, such as that of another client's append. The client's own appends
   * are always included.
   */
  readonly position?: number;
  /** Continues after the event with this id (before it, when reading backwards). */
  readonly lastEventId?: string | number;
  /** Default: `"forwards"`. */
  readonly direction?: "forwards" | "backwards";
  /** Most events to read. Default: all. */
  readonly limit?: number;
  /** Events per request, or as many as the server allows. Default: 1,000. */
  readonly pageSize?: number;
  /** Longest wait of a request for an event at the end of the log, in milliseconds. Default: none. */
  readonly timeout?: number;
  /** Only events of the stream or subject after this version. */
  readonly afterVersion?: number;
  /** The stream as of this version. */
  readonly toVersion?: number;
  /** The stream as recorded at this time. */
  readonly asOf?: string | Date;
  /** Called with the identity of the log in each answer that has one. */
  readonly onLog?: (identity: string) => void;
  readonly signal?: AbortSignal;
}

export interface FollowOptions extends Filter {
  /** Follows this stream. Default: the whole log. */
  readonly stream?: string;
  /** Follows this feed instead of the event log. */
  readonly feed?: FeedVersion;
  /** Follows this subject of the feed. */
  readonly subject?: string;
  /** Continues after the event with this id. Default: from the beginning. */
  readonly lastEventId?: string | number;
  /** Called with the identity of the log for each connection. */
  readonly onLog?: (identity: string) => void;
  /** Ends the iteration. */
  readonly signal?: AbortSignal;
}

export interface StreamInfo {
  readonly stream: string;
  /** Version and position of its last event. */
  readonly version: number;
  readonly position: number;
  /** Time of recording of its last event. */
  readonly time: string;
  /** Earlier events were truncated or erased. */
  readonly firstVersion: number;
  readonly erased: boolean;
}

export interface ListOptions {
  readonly prefix?: string;
  /** Only streams with an event after this position, in order of their last position. Default: all, by name. */
  readonly changedSince?: number;
  /** Requires an answer that includes this position. The client's own appends are always included. */
  readonly position?: number;
  /** Streams per request, or as many as the server allows. Default: 1,000. */
  readonly pageSize?: number;
  readonly signal?: AbortSignal;
}

/** A stream of the event log, or a subject of a feed. */
export type SubjectInfo = Omit<StreamInfo, "stream"> & { readonly subject: string };

export interface SubjectsOptions extends ListOptions {
  /** Lists the subjects of this feed. Default: the streams of the event log. */
  readonly feed?: FeedVersion;
  /** Only names after this one, in order of name. */
  readonly after?: string;
}

export interface HistoryOptions {
  /** Default: the event log. */
  readonly feed?: FeedVersion;
  /** A former identity of the log, or that of another history. */
  readonly identity?: string;
}

/** Identity and head of a log. */
export interface LogHistory {
  /** Current identity of the log; null when the server sends none. */
  readonly identity: string | null;
  /** Position of the last event; 0 when there is none. */
  readonly head: number;
  /**
   * Last position that the log has in common with the history of the requested identity; null: unknown, or not
   * requested.
   */
  readonly parted: number | null;
}

/** A consumer's failure to process an event, which it reports with a commit. */
export interface ConsumerFailure {
  readonly subject: string;
  /** Version and type of the event; null when it could not be read. */
  readonly version: number | null;
  readonly type: string | null;
  /** At most 1,000 UTF-16 code units. */
  readonly message: string;
  readonly attempts: number;
  /** Time of the first failure; RFC 3339, in UTC. */
  readonly since: string;
}

/** A named reader of a log. */
export interface ConsumerInfo {
  readonly consumer: string;
  /**
   * `silent`: no request for 5 minutes; `blocked`: it reported blocked subjects; `late`: it lacks an event that is
   * older than a minute. Where it has an objective, its alarms decide: `silent` or `late` while one is open.
   */
  readonly state: "keeps-up" | "late" | "blocked" | "silent";
  /** Position it committed, and position up to which it was sent events; null: never. */
  readonly committed: number | null;
  readonly sent: number | null;
  /**
   * Number of events after the committed position (or else the sent one), and the age of the first of them in
   * seconds.
   */
  readonly lag: { readonly events: number; readonly seconds: number };
  /** Number of blocked subjects in its last commit, and the last failure of those. */
  readonly blocked: number;
  readonly failure: ConsumerFailure | null;
  /** It read or committed within the server's window (`limits.consumerSeconds`). */
  readonly active: boolean;
  /** Times of its first and last request. */
  readonly since: string;
  readonly seen: string;
}

/** Where a list begins, and how much of it a request asks for. */
export interface ListPart {
  /** Only entries that follow this one: its name or id. */
  readonly after?: string;
  /** Entries per request. Default: 1,000. */
  readonly pageSize?: number;
  readonly signal?: AbortSignal;
}

export interface ConsumersOptions extends ListPart {
  /** Only names that begin so. */
  readonly prefix?: string;
  /** Only consumers in these states. */
  readonly states?: readonly ConsumerInfo["state"][];
}

/** The lag of a consumer in the last 24 hours. */
export interface ConsumerLag {
  /** Time between two samples. */
  readonly stepSeconds: number;
  /** In order of time; none for the times at which the server was not running. */
  readonly samples: readonly {
    readonly time: string;
    readonly events: number;
    readonly seconds: number;
  }[];
}

export interface CommitOptions extends ReasonOptions {
  /** The log of the position. Default: the event log. */
  readonly feed?: FeedVersion;
  /** Default: the client's own `consumer`. */
  readonly consumer?: string;
  /** Allows a position before the committed one. */
  readonly rewind?: boolean;
  /**
   * Number of subjects whose events the consumer could not process, and the last failure of those. Default: 0, and
   * null.
   */
  readonly blocked?: number;
  readonly failure?: ConsumerFailure | null;
}
