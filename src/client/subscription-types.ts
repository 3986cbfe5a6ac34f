/** What a subscription delivers, and how. */
export interface SubscriptionSettings {
  /** The endpoint. */
  readonly url: string;
  /** Only events of these types; null: all. */
  readonly types: readonly string[] | null;
  /** Only subjects whose name begins so; empty: all. */
  readonly subjectPrefix: string;
  /** An event a request, several, or only word that there are some. Default: single. */
  readonly mode: "single" | "batch" | "doorbell";
  /** Of mode `batch`: most events (default 100), and bytes of them (1 MiB), in a request. */
  readonly batch: { readonly events?: number; readonly bytes?: number };
  /** Most requests under way at a time; a subject never has two. Default: 64. */
  readonly concurrency: number;
  /** Failed attempts after which an event waits to be retried or skipped by request; null (the default): never. */
  readonly attempts: number | null;
  /** Sent with each request; stored sealed, and never shown. */
  readonly headers: Readonly<Record<string, string>>;
  /** Asks the endpoint for its consent first, as this origin; null (the default): does not. */
  readonly handshake: { readonly origin: string } | null;
  readonly description: string;
}

export interface NewSubscription extends Partial<Omit<SubscriptionSettings, "url">> {
  /** Path of the log: `/events`, or `/feeds/declarations/v2`. */
  readonly source: string;
  readonly url: string;
  /** What is delivered first: after a position, or what was recorded from a time on (RFC 3339). Default: now. */
  readonly start?: "beginning" | "now" | { readonly position: number } | { readonly time: string };
  /** `whsec_…` or `whsk_…`; default: a new one. */
  readonly secret?: string;
  /** Of a secret that is new; default: symmetric. */
  readonly signature?: "symmetric" | "ed25519";
}

/** `headers` are replaced as a whole. */
export type SubscriptionChange = Partial<SubscriptionSettings>;

/** A subscription, and how it is. */
export interface Subscription extends Omit<SubscriptionSettings, "batch" | "headers" | "handshake"> {
  readonly subscription: string;
  readonly source: string;
  readonly batch: { readonly events: number; readonly bytes: number } | null;
  /** Names only. */
  readonly headers: readonly string[];
  readonly handshake: { readonly origin: string; readonly ratePerMinute: number | null } | null;
  readonly created: string;
  readonly status: "active" | "catching-up" | "failing" | "paused";
  /** Why it is failing or paused; null otherwise. */
  readonly reason: string | null;
  /** Everything up to there is delivered, but for subjects that are blocked, redelivered or under way. */
  readonly cursor: number;
  /** Positions after the cursor; seconds: age of the first of them. */
  readonly lag: { readonly events: number; readonly seconds: number };
  /** Subjects of which an event was not taken. */
  readonly blocked: number;
  /** When it was last paused or resumed. */
  readonly since: string;
  /** The redelivery under way, how far it has come, and the ranges that are redelivered after it. */
  readonly rewind: {
    readonly after: number;
    readonly upTo: number;
    readonly walked: number;
    readonly queued?: readonly { readonly after: number; readonly upTo: number }[];
  } | null;
  /** Null unless the endpoint as a whole is down, or asked for a pause of more than 10 s. */
  readonly endpoint: { readonly error: string; readonly since: string; readonly nextProbe: string } | null;
}

/** What a receiver verifies with: shown when it is made, and never again. */
export interface Credentials {
  /** `whsec_…`; null where the receiver needs only the public key. */
  readonly secret: string | null;
  /** `whpk_…` of ed25519; null for a shared secret. */
  readonly publicKey: string | null;
}

export interface RewindOptions {
  /** Events after this position; default: 0, from the beginning. */
  readonly after?: number;
  /** And up to this one; default: all that was delivered. */
  readonly upTo?: number;
  /** Only of these subjects. */
  readonly subjects?: readonly string[];
  /** Only counts. */
  readonly dryRun?: boolean;
}

/** What is, or would be, delivered again. */
export interface Redelivery {
  readonly events: number;
  readonly subjects: number;
  readonly dryRun: boolean;
}

export interface RotationOptions {
  /** Default: a new one of the same kind. */
  readonly secret?: string;
  /** How long the old secret signs beside the new one; default: a day. */
  readonly overlapSeconds?: number;
}

/** What became of a delivery that was asked for. */
export interface TestDelivery {
  readonly webhookId: string;
  readonly acknowledged: boolean;
  /** `status 500`, `timeout`, …; null when it was acknowledged. */
  readonly error: string | null;
  readonly durationMs: number;
}

export interface DeliveryAttempt {
  /** When it ended. */
  readonly time: string;
  readonly webhookId: string;
  /** Null for what is not about one subject. */
  readonly subject: string | null;
  /** Null when it was acknowledged. */
  readonly error: string | null;
  readonly durationMs: number;
}

/** A subject of which an event was not taken. */
export interface BlockedDelivery {
  readonly subject: string;
  /** The event that it waits for, as events have it: zero-padded. */
  readonly sequence: string;
  readonly position: number;
  readonly attempts: number;
  readonly error: string;
  readonly since: string;
  /** Null: it waits to be retried or skipped by request. */
  readonly nextAttempt: string | null;
}

/** An event that was given up. */
export interface SkippedEvent {
  readonly subject: string;
  readonly sequence: string;
  readonly time: string;
  readonly attempts: number;
  readonly error: string | null;
}

/** Webhook subscriptions of a server. Ids are those that `create` gives. */
export interface Subscriptions {
  /** Gives the secret, too. Not repeated by itself. */
  create(request: NewSubscription): Promise<Subscription & Credentials>;
  /** In order of id. */
  list(): AsyncGenerator<Subscription, void, undefined>;
  /** Throws a KildeError `subscription-not-found`, as all of them do. */
  get(id: string): Promise<Subscription>;
  /** Changes the members that are stated. */
  change(id: string, change: SubscriptionChange): Promise<Subscription>;
  remove(id: string): Promise<void>;
  pause(id: string, reason?: string): Promise<Subscription>;
  /** Goes on from the cursor; an endpoint that is down is tried at once. */
  resume(id: string): Promise<Subscription>;
  /** Delivers again, in order for each subject, while what is new is delivered, too. */
  rewind(id: string, options?: RewindOptions): Promise<Redelivery>;
  /** Delivers an event of type `kilde.test`, once. */
  test(id: string): Promise<TestDelivery>;
  rotateSecret(id: string, options?: RotationOptions): Promise<Credentials>;
  /** The latest attempts, in order of time. */
  attempts(id: string): Promise<readonly DeliveryAttempt[]>;
  /** In order of name. */
  blocked(id: string): AsyncGenerator<BlockedDelivery, void, undefined>;
  /** Has the event that blocks a subject tried at once. Throws `subject-not-blocked`. */
  retry(id: string, subject: string): Promise<void>;
  /** Gives up the event that blocks a subject, if it is that of `sequence` where that is stated. */
  skip(
    id: string,
    subject: string,
    options?: { readonly sequence?: string | number },
  ): Promise<Pick<SkippedEvent, "subject" | "sequence">>;
  /** Events that were given up, the latest first. */
  skips(id: string): Promise<readonly SkippedEvent[]>;
}
