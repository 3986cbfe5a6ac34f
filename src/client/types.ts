import type { AttributeValue } from "../core/attributes.ts";
import type { ExpectedVersion } from "../core/event.ts";
import type { Metadata } from "../core/read-event.ts";

export type { AttributeValue } from "../core/attributes.ts";
export type { ExpectedVersion } from "../core/event.ts";
export type { KildeEvent, Metadata } from "../core/read-event.ts";

/** An event to append. `Data` is any JSON value. */
export interface NewEvent<Data = unknown> {
  /** What happened: `UserRegistered`. */
  readonly type: string;
  readonly data?: Data;
  readonly metadata?: Metadata;
  /**
   * Further CloudEvents attributes, with names of lowercase letters and digits: extensions (integers of 32 bits),
   * `dataschema`, and a `datacontenttype` other than application/json.
   */
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  /** When it happened (RFC 3339); absent means when the log takes it. */
  readonly time?: string;
}

export interface AppendOptions {
  /** Default `"any"`. When the stream is at another version: a KildeError `version-conflict` with `currentVersion`. */
  readonly expectedVersion?: ExpectedVersion;
  /**
   * Makes the append safe to repeat, also by another process. By default each call makes one of its own, so that
   * the client may repeat it when an answer is lost; `null` sends none and never repeats. A key is any text without
   * control characters.
   */
  readonly idempotencyKey?: string | null;
  /**
   * Identity of the event log that the append was decided on, `logIdentity` of an event that was read. When the server
   * was restored since: a KildeError `log-restored`. Default: the identity that this client saw last; `null` states none.
   */
  readonly logIdentity?: string | null;
  /** Called with the identity of the event log as the answer names it. */
  readonly onLog?: (identity: string) => void;
  readonly signal?: AbortSignal;
}

/** Where events were appended. */
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
  /** Only streams whose name begins so; of the whole log only. */
  readonly streamPrefix?: string;
}

/** A version of a feed: `"declarations/v2"`. */
export type FeedVersion = `${string}/v${number}`;

export interface ReadOptions extends Filter {
  /** Read this stream; absent: the whole log. */
  readonly stream?: string;
  /** Read this feed instead of the event log. */
  readonly feed?: FeedVersion;
  /** Of a feed: read this subject, complete as of the request. */
  readonly subject?: string;
  /**
   * Read from a state of the log that has this position, such as that of an append by somebody else. What this client
   * itself appended it sees anyway.
   */
  readonly position?: number;
  /** Go on after the event with this id (before it, when reading backwards). */
  readonly lastEventId?: string | number;
  /** Default `"forwards"`. */
  readonly direction?: "forwards" | "backwards";
  /** Most events to give; default: all there are. */
  readonly limit?: number;
  /** Events of one request, or as many as the server allows; default 1,000. */
  readonly pageSize?: number;
  /** How long a request waits for an event when there is none, in milliseconds; default: not at all. */
  readonly timeout?: number;
  /** Of a stream or subject: events after this version. */
  readonly afterVersion?: number;
  /** Of a stream: as of this version. */
  readonly toVersion?: number;
  /** Of a stream: as of this time; what had been recorded by then. */
  readonly asOf?: string | Date;
  /** Called with the identity of the log, for each answer of the server that names it. */
  readonly onLog?: (identity: string) => void;
  readonly signal?: AbortSignal;
}

export interface FollowOptions extends Filter {
  /** Follow this stream; absent: the whole log. */
  readonly stream?: string;
  /** Follow this feed instead of the event log. */
  readonly feed?: FeedVersion;
  /** Of a feed: follow this subject. */
  readonly subject?: string;
  /** Go on after the event with this id; default: from the beginning. */
  readonly lastEventId?: string | number;
  /** Called with the identity of the log, whenever a connection is made. */
  readonly onLog?: (identity: string) => void;
  /** Ends the iteration. */
  readonly signal?: AbortSignal;
}

export interface StreamInfo {
  readonly stream: string;
  /** Version and position of its last event. */
  readonly version: number;
  readonly position: number;
  /** When its last event was recorded. */
  readonly time: string;
  /** Events below it were truncated or erased. */
  readonly firstVersion: number;
  readonly erased: boolean;
}

export interface ListOptions {
  readonly prefix?: string;
  /** Only streams with an event after this position, in order of their last position; absent: all, by name. */
  readonly changedSince?: number;
  /** List from a state of the log that has this position. What this client itself appended it sees anyway. */
  readonly position?: number;
  /** Streams of one request, or as many as the server allows; default 1,000. */
  readonly pageSize?: number;
  readonly signal?: AbortSignal;
}

/** A stream of the event log, or a subject of a feed. */
export type SubjectInfo = Omit<StreamInfo, "stream"> & { readonly subject: string };

export interface SubjectsOptions extends ListOptions {
  /** Its subjects; absent: the streams of the event log. */
  readonly feed?: FeedVersion;
  /** By name: only those after this one. */
  readonly after?: string;
}

export interface HistoryOptions {
  /** Default: the event log. */
  readonly feed?: FeedVersion;
  /** An identity that the log had before, or another history of it. */
  readonly identity?: string;
}

/** Which history a log holds. */
export interface LogHistory {
  /** Identity of the log now; null: the server gives none. */
  readonly identity: string | null;
  /** Position of the last event; 0 when there is none. */
  readonly head: number;
  /** Position up to which the log holds what it held under the identity in question; null: not known, or not asked. */
  readonly parted: number | null;
}

/** Why a consumer could not handle an event, as it reports with a commit. */
export interface ConsumerFailure {
  readonly subject: string;
  /** Version and type of the event; null when it could not be had. */
  readonly version: number | null;
  readonly type: string | null;
  /** At most 1,000 UTF-16 code units. */
  readonly message: string;
  readonly attempts: number;
  /** When it first failed; RFC 3339, in UTC. */
  readonly since: string;
}

/** A reader of a log that named itself. */
export interface ConsumerInfo {
  readonly consumer: string;
  /**
   * `silent`: it was not seen for 5 minutes; `blocked`: it reported blocked subjects; `late`: it lacks an event that is
   * older than a minute.
   */
  readonly state: "keeps-up" | "late" | "blocked" | "silent";
  /** Position it committed, and position it was sent everything up to; null: never. */
  readonly committed: number | null;
  readonly sent: number | null;
  /** Behind what is committed, or else sent; seconds: age of the first event it lacks. */
  readonly lag: { readonly events: number; readonly seconds: number };
  /** Subjects that it reported as blocked with its last commit, and the last failure of those. */
  readonly blocked: number;
  readonly failure: ConsumerFailure | null;
  /** It read or committed within the server's window. */
  readonly active: boolean;
  /** When it was first and last seen. */
  readonly since: string;
  readonly seen: string;
}

export interface CommitOptions {
  /** The log that the position is of; default: the event log. */
  readonly feed?: FeedVersion;
  /** Default: the client's own `consumer`. */
  readonly consumer?: string;
  /** The position may be before the one committed so far. */
  readonly rewind?: boolean;
  /** Subjects whose events the consumer could not handle, and the last failure of those. Default: 0, and null. */
  readonly blocked?: number;
  readonly failure?: ConsumerFailure | null;
}
