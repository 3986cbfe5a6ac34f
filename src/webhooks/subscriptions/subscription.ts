import type { LogAddress } from "../../log/keys.ts";
import type { EventFilter } from "../../log/read/pages.ts";

/**
 * How events are put into requests: each in one of its own, several together, or none at all, only the news that
 * there are some (`doorbell`).
 */
export type DeliveryMode =
  | { readonly kind: "single" }
  | { readonly kind: "batch"; readonly events: number; readonly bytes: number }
  | { readonly kind: "doorbell" };

/** What a subscriber asked for. */
export interface SubscriptionConfig {
  readonly url: string;
  readonly filter: EventFilter;
  readonly mode: DeliveryMode;
  /** Most requests under way at a time. One subject never has two. */
  readonly concurrency: number;
  /** Attempts after which an event is not tried again by itself; null: it is, for good. */
  readonly attempts: number | null;
  /** Names of the headers that are sent with each request beside those that Kilde sets; their values are sealed. */
  readonly headerNames: readonly string[];
  /** Most requests a minute, as the endpoint allowed when it consented; null: as many as it takes. */
  readonly ratePerMinute: number | null;
  /** Origin that the endpoint was asked for consent with; null: it was not. */
  readonly consentedOrigin: string | null;
  readonly description: string;
}

/** A secret as it is stored. */
export interface StoredSecret {
  readonly sealed: string;
  /** Until when it signs beside a newer one, in milliseconds since 1970; null: until it is replaced. */
  readonly until: number | null;
}

/** What only the endpoint is to know, as it is stored: sealed with a key of the environment; see `webhooks/signing/seal.ts`. */
export interface StoredSecrets {
  /** The one that signs first. */
  readonly signing: readonly StoredSecret[];
  /** JSON of the headers that are sent with each request; null: none. */
  readonly headers: string | null;
}

/** Events after a position, up to another one. */
export interface RewindRange {
  readonly after: number;
  readonly upTo: number;
}

/** A redelivery of what lies in a range of positions, for all subjects. */
export interface Rewind extends RewindRange {
  /** Position up to which the subjects that have their first event there were sent back. */
  readonly walked: number;
  /** Ranges that are redelivered when this one was walked, in order; no two of them touch. Absent: none. */
  readonly queued?: readonly RewindRange[];
}

/** A batch of several subjects whose bytes must not change until it is acknowledged. */
export interface FrozenBatch {
  readonly positions: readonly number[];
}

/** An endpoint that fails as a whole, or asked for a long pause. */
export interface EndpointTrouble {
  /** How often it was probed. */
  readonly attempts: number;
  /** Not before; milliseconds since 1970. */
  readonly until: number;
  /**
   * How long that was when it was stored: nobody waits longer, also when the clock was ahead then. Absent in what earlier
   * versions stored.
   */
  readonly waitMs?: number;
  /** Whether it asked for less; otherwise it could not be reached, or took nothing. Absent: no. */
  readonly isOverloaded?: boolean;
  /** Whether requests did not reach it, so that no other event fares better. Absent: no. */
  readonly isUnreachable?: boolean;
  readonly error: string;
  /** RFC 3339. */
  readonly since: string;
}

/** A subscription as it is stored. */
export interface SubscriptionRecord {
  readonly id: string;
  readonly log: LogAddress;
  readonly config: SubscriptionConfig;
  readonly secrets: StoredSecrets;
  readonly created: string;
  readonly revision: number;
  readonly epoch: number;
  readonly status: "active" | "paused";
  /** Why it is paused. */
  readonly reason: string | null;
  readonly since: string;
  readonly cursor: number;
  readonly rewind: Rewind | null;
  readonly batch: FrozenBatch | null;
  readonly trouble: EndpointTrouble | null;
}

/** A subject of a subscription that is not where the cursor is, as it is stored. */
export interface StoredLane {
  readonly subject: number;
  readonly next: number;
  readonly stop: number | null;
  readonly resume: number | null;
  readonly frozen: number | null;
  readonly attempts: number;
  readonly due: number | null;
  /** How long that was when it was stored, in milliseconds; null: not known. */
  readonly wait: number | null;
  readonly error: string | null;
  readonly since: string | null;
  readonly ahead: boolean;
}
