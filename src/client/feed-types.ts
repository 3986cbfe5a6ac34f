import type { ReasonOptions } from "./stated-reason.ts";
import type { FeedVersion } from "./types.ts";

/** The event that halts a feed, and the error of its projection. */
export interface FeedFailure {
  /** Position of the event in the source. */
  readonly position: number;
  readonly subject: string;
  readonly message: string;
  /** The parts of the published data that break the contract. */
  readonly issues: readonly { readonly pointer: string; readonly detail: string }[];
  /** Frames of the error that the projection threw, the innermost first; empty: it threw none. */
  readonly stack: readonly string[];
  /** When it first failed at this event. */
  readonly since: string;
}

/** A version of a feed, with its state. */
export interface FeedInfo {
  readonly feed: string;
  readonly version: number;
  readonly description: string | null;
  readonly draft: boolean;
  readonly access: "granted" | "public";
  /** Path of the log it is projected from; null: a feed that the sender may not read. */
  readonly source: string | null;
  /** Types of events it publishes. */
  readonly types: readonly string[];
  readonly status: "building" | "live" | "halted" | "rebuilding" | "retiring";
  /** Position of its last event. */
  readonly head: number;
  /** Position in the source up to which it is projected. */
  readonly cursor: number;
  readonly sourceHead: number;
  /** Events of the source that are not yet projected, and the age of the oldest in seconds. */
  readonly lag: { readonly events: number; readonly seconds: number };
  /** Progress of its build, in events of the source; null when it is done. */
  readonly progress: {
    readonly done: number;
    readonly total: number;
    readonly eventsPerSecond: number;
    readonly secondsLeft: number | null;
  } | null;
  readonly failure: FeedFailure | null;
  readonly release: "current" | "older" | "superseded";
  /** The source has erasures that the feed has not applied yet. */
  readonly erasing: boolean;
  /** Since when it should not be used, and when it will be gone. */
  readonly deprecated: string | null;
  readonly sunset: string | null;
  /** The version to use instead. */
  readonly successor: number | null;
}

/** The feeds of a server. */
export interface FeedCatalog {
  /** The feeds that the sender may read. */
  list(signal?: AbortSignal): Promise<readonly FeedInfo[]>;
  get(feed: FeedVersion): Promise<FeedInfo>;
  /** The contract: the JSON Schema of `data`, by event type. */
  schemas(feed: FeedVersion): Promise<Readonly<Record<string, unknown>>>;
  /**
   * Retires a version. Throws a KildeError `feed-in-use` while it has readers, unless `force` is true.
   */
  retire(feed: FeedVersion, options?: { readonly force?: boolean } & ReasonOptions): Promise<FeedInfo>;
  /** Builds a draft again. */
  rebuild(feed: FeedVersion, options?: ReasonOptions): Promise<FeedInfo>;
  /** Resumes a halted feed, which tries the event that halts it again. */
  resume(feed: FeedVersion, options?: ReasonOptions): Promise<FeedInfo>;
}
