/*
 * The metrics that a process counts while it works. All others are read from the store when somebody asks for them.
 * Names follow Prometheus: base units, and `_total` for counters. `GET /metrics` puts `kilde_` before each.
 */

/** A metric that a process counts. */
export interface MeasuredMetric {
  readonly help: string;
  readonly labelNames: readonly string[];
  /** Upper bounds of the buckets of a histogram; null: the metric is a counter. */
  readonly bounds: readonly number[] | null;
}

/** Answers of requests and writes, in seconds. */
const SHORT_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Ways of an event, which may wait for a reader that was away, in seconds. */
const LONG_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600];

const EVENTS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];

export const MEASURED_METRICS = {
  http_request_duration_seconds: {
    help: "Time until the answer to a request began; for a long-poll this includes its wait for events",
    labelNames: ["method", "route", "status"],
    bounds: SHORT_SECONDS,
  },
  denied_requests_total: {
    help: "Requests without valid credentials (401), without a grant (403), or beyond the rate of their sender (429)",
    labelNames: ["status"],
    bounds: null,
  },
  appends_total: {
    help: "Appends by outcome: appended, replayed (by its idempotency key), the code of a refusal, or failed",
    labelNames: ["outcome"],
    bounds: null,
  },
  commit_duration_seconds: {
    help: "Time from giving a group of appends to the database until it is stored",
    labelNames: [],
    bounds: SHORT_SECONDS,
  },
  write_duration_seconds: {
    help: "Time of one transaction in the thread that writes a file, with its sync: of appends, feeds and deliveries",
    labelNames: [],
    bounds: SHORT_SECONDS,
  },
  events_sent_total: {
    help: "Events sent to readers and endpoints by transport: page, stream (server-sent events), or webhook",
    labelNames: ["log", "transport"],
    bounds: null,
  },
  delivery_attempts_total: {
    help: "Requests to endpoints by outcome: acknowledged, refused, overloaded, unreachable, or gone",
    labelNames: ["source", "outcome"],
    bounds: null,
  },
  append_to_feed_seconds: {
    help: "Time from the append of an event until a live feed has published what it derives from it",
    labelNames: ["feed", "version"],
    bounds: LONG_SECONDS,
  },
  append_to_delivered_seconds: {
    help: "Time from the append of an event until an endpoint has acknowledged its delivery",
    labelNames: ["source"],
    bounds: LONG_SECONDS,
  },
  append_to_committed_seconds: {
    help: "Time from the append of an event until a consumer has committed its position; of the last event of each commit",
    labelNames: ["source"],
    bounds: LONG_SECONDS,
  },
  event_loop_delay_seconds: {
    help: "Delay of a timer in the thread that answers requests, which shows how long others wait for it",
    labelNames: [],
    bounds: SHORT_SECONDS,
  },
  commit_events: { help: "Events in one commit of appends", labelNames: [], bounds: EVENTS },
} as const satisfies Readonly<Record<string, MeasuredMetric>>;

export type MeasuredName = keyof typeof MEASURED_METRICS;
