/**
 * All limits of Kilde. Each is a setting of the same name (`kilde.config.ts`: `limits.eventBytes`, environment:
 * `KILDE_LIMIT_EVENT_BYTES`).
 */
export interface Limits {
  /** Largest `data` of one event, in bytes of JSON text. */
  readonly eventBytes: number;
  /** Largest request body, in bytes. A larger one is rejected before it is buffered. */
  readonly bodyBytes: number;
  /** Most bytes of request bodies in memory at once; further bodies are rejected until others were answered. */
  readonly bodiesBytes: number;
  /** Longest time for a request body to arrive, in milliseconds. */
  readonly bodyTimeoutMs: number;
  /** Most bytes of answers in memory at once that clients have not read yet. */
  readonly answersBytes: number;
  /**
   * Longest time without progress of a client that has an answer to read, in milliseconds; then the server
   * disconnects it.
   */
  readonly answerTimeoutMs: number;
  /** Most events in one append or transaction. */
  readonly eventsPerAppend: number;
  /** Most events or streams in one page; a larger `limit` is rejected. */
  readonly pageEvents: number;
  /** Most bytes of event JSON in one page; a page that reaches it ends early. */
  readonly pageBytes: number;
  /** Longest stream name, in bytes of UTF-8. */
  readonly streamNameBytes: number;
  /** Longest event type, in bytes of UTF-8. */
  readonly typeBytes: number;
  /** Largest metadata of one event, in bytes of JSON text. */
  readonly metadataBytes: number;
  /** Deepest nesting of arrays and objects in `data`. */
  readonly jsonDepth: number;
  /** Longest idempotency key, in bytes of UTF-8. */
  readonly idempotencyKeyBytes: number;
  /** Time after which an idempotency key expires, in seconds. */
  readonly idempotencySeconds: number;
  /** Most requests that may follow a log at the same time (long-poll and server-sent events). */
  readonly followers: number;
  /** Longest long-poll, in milliseconds. */
  readonly timeoutMs: number;
  /** Longest wait of a read for a replica to reach a required position, in milliseconds. */
  readonly replicaWaitMs: number;
  /** Most appends that may wait for a commit; more are rejected until some are done. */
  readonly waitingAppends: number;
  /** Most named consumers of one log. */
  readonly consumers: number;
  /** Time for which a consumer counts as active after its last read, in seconds: its feed cannot be retired. */
  readonly consumerSeconds: number;
  /** Most API keys that are neither revoked nor expired. */
  readonly keys: number;
  /** Age from which entries of the log of administration are deleted, in seconds; the last about each resource stays. */
  readonly operationsSeconds: number;
  /** Most requests of one principal in a second, in each process; 0: any number. */
  readonly requestsPerSecond: number;
  /** Most webhook subscriptions. */
  readonly subscriptions: number;
  /**
   * Number of blocked subjects of one subscription from which the server logs a warning. Other subjects are delivered
   * regardless.
   */
  readonly blockedSubjects: number;
  /** Longest `Retry-After` of an endpoint that is honored, in seconds; a longer one counts as this. */
  readonly retryAfterSeconds: number;
  /**
   * Longest time for which HTTP caches may keep a page whose URL names its erasure generation, in seconds; 0: not at
   * all.
   */
  readonly cacheSeconds: number;
  /** Most tenants of one process. */
  readonly tenants: number;
}

export const DEFAULT_LIMITS: Limits = {
  eventBytes: 1024 * 1024,
  bodyBytes: 16 * 1024 * 1024,
  bodiesBytes: 64 * 1024 * 1024,
  bodyTimeoutMs: 60_000,
  answersBytes: 64 * 1024 * 1024,
  answerTimeoutMs: 120_000,
  eventsPerAppend: 10_000,
  pageEvents: 10_000,
  pageBytes: 16 * 1024 * 1024,
  streamNameBytes: 256,
  typeBytes: 256,
  metadataBytes: 16 * 1024,
  jsonDepth: 100,
  idempotencyKeyBytes: 256,
  idempotencySeconds: 7 * 24 * 60 * 60,
  followers: 20_000,
  timeoutMs: 60_000,
  replicaWaitMs: 2_000,
  waitingAppends: 10_000,
  consumers: 1_000,
  consumerSeconds: 7 * 24 * 3_600,
  keys: 10_000,
  operationsSeconds: 400 * 24 * 3_600,
  requestsPerSecond: 0,
  subscriptions: 1_000,
  blockedSubjects: 10_000,
  retryAfterSeconds: 3_600,
  cacheSeconds: 24 * 3_600,
  tenants: 100,
};

/**
 * Most bytes of one event, data and metadata, on a libSQL server: the server accepts no value above 5,000,000 bytes,
 * and an event is written within a text, where each of its bytes may take two.
 */
export const SERVER_EVENT_BYTES = 2_400_000;

/** Most appends in one request to `POST /appends`. Not a setting: clients divide what they send by it. */
export const MAX_BULK_APPENDS = 1_000;

/** Default `limit` of a page of events. */
export const DEFAULT_PAGE_EVENTS = 1_000;
