import type { LogAddress } from "../../log/keys.ts";
import type { EventFilter } from "../../log/read/pages.ts";
import type { SubscriptionCreator } from "./creator.ts";

/**
 * How events are packed into requests: one each, several together, or none, only an announcement of events
 * (`doorbell`).
 */
export type DeliveryMode =
  | { readonly kind: "single" }
  | { readonly kind: "batch"; readonly events: number; readonly bytes: number }
  | { readonly kind: "doorbell" };

/** The configuration that a subscriber requested. */
export interface SubscriptionConfig {
  readonly url: string;
  readonly filter: EventFilter;
  readonly mode: DeliveryMode;
  /** Most requests in flight. One subject never has two. */
  readonly concurrency: number;
  /** Attempts after which an event is retried only on request; null: it is always retried. */
  readonly attempts: number | null;
  /** Attempts of each outcome that are kept with their contents. Absent: none, as in records of earlier versions. */
  readonly keepAttempts?: number;
  /** Names of the headers that each request has besides Kilde's own; their values are sealed. */
  readonly headerNames: readonly string[];
  /** Most requests a minute, as the endpoint allowed with its consent; null: no limit. */
  readonly ratePerMinute: number | null;
  /** Origin of the request for the endpoint's consent; null: none was requested. */
  readonly consentedOrigin: string | null;
  readonly description: string;
}

/** A stored secret. */
export interface StoredSecret {
  readonly sealed: string;
  /** Until when it signs beside a newer one, in milliseconds since 1970; null: until it is replaced. */
  readonly until: number | null;
}

/** The secrets of an endpoint as stored: sealed with a key of the environment; see `webhooks/signing/seal.ts`. */
export interface StoredSecrets {
  /** The first one signs first. */
  readonly signing: readonly StoredSecret[];
  /** JSON of the headers that each request has; null: none. */
  readonly headers: string | null;
}

/** Events after a position, up to another one. */
export interface RewindRange {
  readonly after: number;
  readonly upTo: number;
}

/** A redelivery of a range of positions, for all subjects. */
export interface Rewind extends RewindRange {
  /** Position up to which the walk has started the redelivery of subjects. */
  readonly walked: number;
  /** Ranges to redeliver after this one, in order; no two of them touch. Absent: none. */
  readonly queued?: readonly RewindRange[];
}

/** A batch of several subjects whose bytes must not change until it is acknowledged. */
export interface FrozenBatch {
  readonly positions: readonly number[];
}

/** An endpoint that fails as a whole, or requested a long pause. */
export interface EndpointTrouble {
  /** Number of probes. */
  readonly attempts: number;
  /** Earliest next request, in milliseconds since 1970. */
  readonly until: number;
  /**
   * The wait until then when it was stored, an upper bound even if the clock was ahead then. Absent in the state of
   * earlier versions.
   */
  readonly waitMs?: number;
  /** Whether it reported overload; otherwise it was unreachable, or rejected every delivery. Absent: no. */
  readonly isOverloaded?: boolean;
  /** Whether requests did not reach it, so that other events would fail as well. Absent: no. */
  readonly isUnreachable?: boolean;
  readonly error: string;
  /** RFC 3339. */
  readonly since: string;
}

/** A stored subscription. */
export interface SubscriptionRecord {
  readonly id: string;
  readonly log: LogAddress;
  readonly config: SubscriptionConfig;
  readonly secrets: StoredSecrets;
  readonly created: string;
  readonly revision: number;
  readonly epoch: number;
  readonly status: "active" | "paused";
  /** Reason of a pause. */
  readonly reason: string | null;
  readonly since: string;
  readonly cursor: number;
  readonly rewind: Rewind | null;
  readonly batch: FrozenBatch | null;
  readonly trouble: EndpointTrouble | null;
  readonly tally: SubjectTally | null;
  /** On whose behalf it delivers; null: nobody's grants limit it. */
  readonly creator: SubscriptionCreator | null;
}

/** Changes of subjects in one minute, as they were recorded in the log of administration. */
export interface SubjectTally {
  /** Start of the minute, in milliseconds since 1970. */
  readonly since: number;
  /** Entries about single subjects. */
  readonly entries: number;
  /** Changes that were only counted: they are recorded together after the minute. */
  readonly blocked: number;
  readonly healed: number;
}

/** A stored subject of a subscription that is behind the cursor. */
export interface StoredLane {
  readonly subject: number;
  readonly next: number;
  readonly stop: number | null;
  readonly resume: number | null;
  readonly frozen: number | null;
  readonly attempts: number;
  readonly due: number | null;
  /** The wait until `due` when it was stored, in milliseconds; null: unknown. */
  readonly wait: number | null;
  readonly error: string | null;
  readonly since: string | null;
  readonly ahead: boolean;
}
