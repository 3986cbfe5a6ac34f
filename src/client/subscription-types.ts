import type { ListPart } from "./types.ts";
import type { ReasonOptions } from "./stated-reason.ts";

/** Settings of a subscription. */
export interface SubscriptionSettings {
  /** Address of the endpoint. */
  readonly url: string;
  /** Only events of these types; null: all. */
  readonly types: readonly string[] | null;
  /** Only subjects with this prefix; empty: all. */
  readonly subjectPrefix: string;
  /**
   * `single`: one event per request; `batch`: several; `doorbell`: only a notification that the log has new events.
   * Default: single.
   */
  readonly mode: "single" | "batch" | "doorbell";
  /** For mode `batch`: most events (default: 100) and bytes of events (default: 1 MiB) per request. */
  readonly batch: { readonly events?: number; readonly bytes?: number };
  /** Most concurrent requests; a subject never has two. Default: 64. */
  readonly concurrency: number;
  /** Failed attempts after which an event waits for a `retry` or `skip`; null (the default): retries never end. */
  readonly attempts: number | null;
  /**
   * Latest attempts of each outcome that are kept with the beginning of the request and of the answer, at most 1,000.
   * Default: 0.
   */
  readonly keepAttempts: number;
  /** Headers of each request; stored sealed, and never shown. */
  readonly headers: Readonly<Record<string, string>>;
  /** Requests the endpoint's consent first, for this origin; null (the default): no handshake. */
  readonly handshake: { readonly origin: string } | null;
  readonly description: string;
}

export interface NewSubscription extends Partial<Omit<SubscriptionSettings, "url">> {
  /** Path of the log: `/events`, or `/feeds/declarations/v2`. */
  readonly source: string;
  readonly url: string;
  /** Start of the deliveries: after a position, or the events recorded since a time (RFC 3339). Default: now. */
  readonly start?: "beginning" | "now" | { readonly position: number } | { readonly time: string };
  /** `whsec_…` or `whsk_…`; default: a new one. */
  readonly secret?: string;
  /** Kind of a new secret. Default: symmetric. */
  readonly signature?: "symmetric" | "ed25519";
}

/** Changed settings. `headers` replaces all headers. */
export type SubscriptionChange = Partial<SubscriptionSettings>;

/** A subscription, with its state. */
export interface Subscription extends Omit<SubscriptionSettings, "batch" | "headers" | "handshake"> {
  readonly subscription: string;
  readonly source: string;
  readonly batch: { readonly events: number; readonly bytes: number } | null;
  /** Names of the headers. */
  readonly headers: readonly string[];
  readonly handshake: { readonly origin: string; readonly ratePerMinute: number | null } | null;
  readonly created: string;
  /** Name of the principal on whose behalf Kilde delivers; null: nobody. It pauses when they may not read the source. */
  readonly creator: string | null;
  readonly status: "active" | "catching-up" | "failing" | "paused";
  /** Reason of the failure or pause; null otherwise. */
  readonly reason: string | null;
  /**
   * Position up to which all events are delivered, except for subjects that are blocked or redelivered and requests
   * in flight.
   */
  readonly cursor: number;
  /** Number of positions after the cursor, and the age of the first of them in seconds. */
  readonly lag: { readonly events: number; readonly seconds: number };
  /** Number of blocked subjects. */
  readonly blocked: number;
  /** Time of the last pause or resume. */
  readonly since: string;
  /** The current redelivery, its progress, and the ranges that follow. */
  readonly rewind: {
    readonly after: number;
    readonly upTo: number;
    readonly walked: number;
    readonly queued?: readonly { readonly after: number; readonly upTo: number }[];
  } | null;
  /** State of an endpoint that is down, or that requested a pause of more than 10 s; null otherwise. */
  readonly endpoint: { readonly error: string; readonly since: string; readonly nextProbe: string } | null;
}

/** The secret and key with which a receiver verifies signatures. Returned only once. */
export interface Credentials {
  /** `whsec_…`; null when the receiver needs only the public key. */
  readonly secret: string | null;
  /** `whpk_…` of ed25519; null for a shared secret. */
  readonly publicKey: string | null;
}

export interface RewindOptions extends ReasonOptions {
  /** Redelivers events after this position. Default: 0, the beginning. */
  readonly after?: number;
  /** Last position to redeliver. Default: all delivered events. */
  readonly upTo?: number;
  /** Only these subjects. */
  readonly subjects?: readonly string[];
  /** Counts the events, and redelivers none. */
  readonly dryRun?: boolean;
}

/** Extent of a redelivery. */
export interface Redelivery {
  readonly events: number;
  readonly subjects: number;
  readonly dryRun: boolean;
}

export interface RotationOptions extends ReasonOptions {
  /** Default: a new one of the same kind. */
  readonly secret?: string;
  /** Seconds for which the old secret signs as well. Default: a day. */
  readonly overlapSeconds?: number;
}

/** Result of a test delivery. */
export interface TestDelivery {
  readonly webhookId: string;
  readonly acknowledged: boolean;
  /** `status 500`, `timeout`, …; null when it was acknowledged. */
  readonly error: string | null;
  readonly durationMs: number;
}

export interface DeliveryAttempt {
  /** Null when the subscription keeps no contents (`keepAttempts`): then `status`, `request` and `answer` are null too. */
  readonly id: number | null;
  /** Time of its end. */
  readonly time: string;
  readonly durationMs: number;
  readonly outcome: "delivered" | "failed";
  readonly webhookId: string;
  /** Null for a request that is not about one subject. */
  readonly subject: string | null;
  /** Null when it was acknowledged. */
  readonly error: string | null;
  /** Status of the answer; null: none, or unknown. */
  readonly status: number | null;
  /** Positions of its events, at most 256. */
  readonly positions: readonly number[];
  readonly request: {
    readonly url: string;
    /** The signature and the subscription's own headers are redacted. */
    readonly headers: Readonly<Record<string, string>>;
    /** The first 4,096 characters; null: it has more than 256 events, or some were erased. */
    readonly body: string | null;
  } | null;
  /** The first 1,024 bytes of the answer's body. */
  readonly answer: string | null;
}

/** A page of attempts, the latest first. */
export interface DeliveryAttempts {
  readonly attempts: readonly DeliveryAttempt[];
  /** `before` of the next page; null: there is none. */
  readonly next: number | null;
}

export interface AttemptsOptions {
  /** Default: all. */
  readonly outcome?: DeliveryAttempt["outcome"] | undefined;
  /** Only attempts before the one with this id. */
  readonly before?: number | undefined;
  /** Most attempts; default: 50, at most 200. */
  readonly limit?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A blocked subject, and the event that it waits for. */
export interface BlockedDelivery {
  readonly subject: string;
  /** Version of the event, zero-padded like `sequence` of an event. */
  readonly sequence: string;
  readonly position: number;
  readonly attempts: number;
  readonly error: string;
  readonly since: string;
  /** Time of the next attempt; null: the event waits for a `retry` or `skip`. */
  readonly nextAttempt: string | null;
}

/** An event that was skipped. */
export interface SkippedEvent {
  readonly subject: string;
  readonly sequence: string;
  readonly time: string;
  readonly attempts: number;
  readonly error: string | null;
}

export interface SubscriptionsOptions extends ListPart {
  /** Only subscriptions with these statuses. */
  readonly statuses?: readonly Subscription["status"][];
  /** Only subscriptions of the log at this path. */
  readonly source?: string;
}

/** The webhook subscriptions of a server. `create` returns their ids. */
export interface Subscriptions {
  /** Creates a subscription and returns it with its secret. Never retried automatically. */
  create(request: NewSubscription, options?: ReasonOptions): Promise<Subscription & Credentials>;
  /** Lists subscriptions in order of id. */
  list(options?: SubscriptionsOptions): AsyncGenerator<Subscription, void, undefined>;
  /** Throws a KildeError `subscription-not-found`, as do all methods with an `id`. */
  get(id: string): Promise<Subscription>;
  /** Changes the members that are stated. */
  change(id: string, change: SubscriptionChange, options?: ReasonOptions): Promise<Subscription>;
  remove(id: string, options?: ReasonOptions): Promise<void>;
  pause(id: string, reason?: string): Promise<Subscription>;
  /** Continues from the cursor; retries an endpoint that is down at once. */
  resume(id: string, options?: ReasonOptions): Promise<Subscription>;
  /** Delivers events again, in order for each subject, while deliveries of new events continue. */
  rewind(id: string, options?: RewindOptions): Promise<Redelivery>;
  /** Delivers an event of type `kilde.test`, once. */
  test(id: string): Promise<TestDelivery>;
  rotateSecret(id: string, options?: RotationOptions): Promise<Credentials>;
  /** The latest attempts, the latest first. */
  attempts(id: string, options?: AttemptsOptions): Promise<DeliveryAttempts>;
  /** Lists blocked subjects in order of name. */
  blocked(id: string, options?: ListPart): AsyncGenerator<BlockedDelivery, void, undefined>;
  /** Retries the event that blocks a subject, at once. Throws `subject-not-blocked`. */
  retry(id: string, subject: string): Promise<void>;
  /** Skips the event that blocks a subject. With a `sequence`, only if it is that event. */
  skip(
    id: string,
    subject: string,
    options?: { readonly sequence?: string | number } & ReasonOptions,
  ): Promise<Pick<SkippedEvent, "subject" | "sequence">>;
  /** Lists skipped events, the latest first. */
  skips(id: string): Promise<readonly SkippedEvent[]>;
}
