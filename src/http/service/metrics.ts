// Imported file by file: the whole package also measures the process, by APIs that workers lack.
import Gauge from "prom-client/lib/gauge.js";
import Registry from "prom-client/lib/registry.js";

import { MEASURED_METRICS } from "../../core/measured-metrics.ts";
import type { FeedState } from "../../feeds/lifecycle/status.ts";
import { correlationProgress } from "../../log/read/correlations.ts";
import { readHead } from "../../log/read/subjects.ts";
import { readSweepBacklog } from "../../log/erase/sweeper.ts";
import { consumerGauges } from "../consumers/metrics.ts";
import type { AppDeps } from "../deps.ts";
import { registerMeasured } from "./measured.ts";
import { type GaugeOf, subscriptionGauges } from "../subscriptions/metrics.ts";

/**
 * Metrics in Prometheus' text format. Kilde reads gauges from the database at each scrape, since counters in memory could
 * disagree with it; each process counts its own work (`core/measures.ts`).
 */

interface FeedMetric {
  readonly name: string;
  readonly help: string;
  /** Null: the metric has no value now. */
  readonly value: (state: FeedState) => number | null;
}

const FEED_METRICS: readonly FeedMetric[] = [
  { name: "head", help: "Position of the feed's last event", value: ({ head }) => head },
  {
    name: "cursor",
    help: "Position in the source up to which the feed is projected",
    value: ({ cursor }) => cursor,
  },
  {
    name: "lag_events",
    help: "Positions of the source that are not projected yet",
    value: ({ lag }) => lag.events,
  },
  {
    name: "lag_seconds",
    help: "Age of the first event that is not projected yet",
    value: ({ lag }) => lag.seconds,
  },
  {
    name: "build_events_per_second",
    help: "Source events projected a second while the feed is built",
    value: ({ progress }) => progress?.eventsPerSecond ?? null,
  },
  {
    name: "build_seconds_left",
    help: "Estimated time until the feed is live",
    value: ({ progress }) => progress?.secondsLeft ?? null,
  },
];

const STATUSES = ["building", "live", "halted", "rebuilding", "retiring"] as const;

/** Set only for a store with a replica. */
const REPLICA_HEAD = ["replica_head", "Position of the last event that the replica has"] as const;
/** Set only for a store that indexes correlations. */
const CORRELATIONS_LAG = [
  "correlations_lag_events",
  "Positions of the event log whose correlations are not indexed yet",
] as const;
/** Set only by a process with tenants. */
const TENANT_UP = ["tenant_up", "1 if the tenant's database could be read just now"] as const;

/** A store that is measured. */
export interface Measured {
  /** Labels that distinguish the store; every store has the same label names. */
  readonly labels: Readonly<Record<string, string>>;
  /** Null: the store cannot be used now. */
  readonly deps: AppDeps | null;
}

/** Creates the gauges of a store. Returns a function that sets them. */
function storeGauges(gauge: GaugeOf) {
  const perFeed = ["feed", "version"];
  const head = gauge("event_log_head", "Position of the last event");
  const followed = gauge("followers", "Requests that follow a log in this process");
  const pending = gauge("erasures_pending", "Erasures of which storage may still hold data");
  const build = gauge("build_info", "1; the version of the program is a label", ["version"]);
  const sweepFailures = gauge(
    "sweep_failures",
    "Attempts of this process to remove erased data that failed, since the last that succeeded",
  );
  const bodyBytes = gauge("body_bytes", "Bytes of request bodies that are held in this process");
  const answerBytes = gauge(
    "answer_bytes",
    "Bytes of answers that clients have not read yet, in this process",
  );
  const gauges = FEED_METRICS.map(({ name, help, value }) => ({
    gauge: gauge(`feed_${name}`, help, perFeed),
    value,
  }));
  const status = gauge("feed_status", "1 for the status that the feed has", [...perFeed, "status"]);
  const setSubscriptions = subscriptionGauges(gauge);
  const setConsumers = consumerGauges(gauge);
  let replicaHead: Gauge | null = null;
  let correlationsLag: Gauge | null = null;

  return async (labels: Measured["labels"], deps: AppDeps): Promise<void> => {
    const { reader, sweepFailure, feeds, followers, database, bodies, answers } = deps;
    build.set({ ...labels, version: deps.version }, 1);
    pending.set(labels, (await readSweepBacklog(database)).erasures);
    sweepFailures.set(labels, sweepFailure()?.attempts ?? 0);
    followed.set(labels, followers.count());
    bodyBytes.set(labels, bodies.held());
    answerBytes.set(labels, answers.held());
    head.set(labels, await readHead(database, reader.address));
    if (reader.replica) {
      // A replica that cannot be read has no value, and must not keep the other metrics from being reported.
      const replicated = await reader.head().catch(() => null);
      if (replicated !== null) {
        replicaHead ??= gauge(...REPLICA_HEAD);
        replicaHead.set(labels, replicated);
      }
    }
    if (deps.correlations) {
      const progress = await correlationProgress(database);
      correlationsLag ??= gauge(...CORRELATIONS_LAG);
      correlationsLag.set(labels, progress.head - progress.indexed);
    }
    await setConsumers(labels, deps, reader);
    await setConsumers(labels, deps, await deps.operations.reader());
    for (const open of feeds.all) {
      const state = await feeds.state(open);
      if (state === null) continue;
      await setConsumers(labels, deps, open.reader);
      const ofFeed = { ...labels, feed: open.feed.name, version: String(open.feed.version) };
      for (const { gauge: each, value } of gauges) {
        const measured = value(state);
        if (measured !== null) each.set(ofFeed, measured);
      }
      for (const name of STATUSES) status.set({ ...ofFeed, status: name }, name === state.status ? 1 : 0);
    }
    await setSubscriptions(labels, deps);
  };
}

/** Longest wait for one of several stores, in milliseconds, so that a slow one does not delay the others. */
const DEADLINE_MS = 2_000;

async function withinDeadline({ clock }: AppDeps, work: Promise<void>): Promise<void> {
  const done = new AbortController();
  const late = clock.sleep(DEADLINE_MS, done.signal).then(() => {
    if (!done.signal.aborted) throw new Error(`not measured within ${DEADLINE_MS} ms`);
  });
  await Promise.race([work, late]).finally(() => done.abort());
}

/** Measures one store or several. A store that cannot be measured now is reported as down. */
export async function metricsOf(stores: readonly Measured[]) {
  const registry = new Registry();
  const own = Object.keys(stores[0]?.labels ?? {});
  const gauge: GaugeOf = (name, help, labelNames = []) =>
    new Gauge({ name: `kilde_${name}`, help, labelNames: [...own, ...labelNames], registers: [registry] });
  const measure = storeGauges(gauge);
  registerMeasured(
    registry,
    stores.flatMap(({ labels, deps }) => (deps === null ? [] : [{ labels, measures: deps.measures }])),
  );
  if (own.length === 0) {
    for (const { labels, deps } of stores) if (deps !== null) await measure(labels, deps);
  } else {
    const up = gauge(...TENANT_UP);
    const setUp = async ({ labels, deps }: Measured) => {
      const measured =
        deps === null
          ? false
          : await withinDeadline(deps, measure(labels, deps)).then(
              () => true,
              () => false,
            );
      up.set(labels, measured ? 1 : 0);
    };
    await Promise.all(stores.map(setUp));
  }
  return { text: await registry.metrics(), mediaType: registry.contentType };
}

export function metricsAnswer({ text, mediaType }: Awaited<ReturnType<typeof metricsOf>>): Response {
  return new Response(text, { headers: { "Content-Type": mediaType, "Cache-Control": "no-store" } });
}

/** A metric as its documentation lists it. */
export interface MetricDescription {
  readonly name: string;
  readonly type: "gauge" | "counter" | "histogram";
  readonly help: string;
  readonly labelNames: readonly string[];
}

/** Describes every metric that a process may have, without measuring. */
export function metricDescriptions(): readonly MetricDescription[] {
  const descriptions: MetricDescription[] = [];
  const describe: GaugeOf = (name, help, labelNames = []) => {
    descriptions.push({ name: `kilde_${name}`, type: "gauge", help, labelNames });
    return new Gauge({ name, help, labelNames: [...labelNames], registers: [] });
  };
  storeGauges(describe);
  describe(...REPLICA_HEAD);
  describe(...CORRELATIONS_LAG);
  describe(...TENANT_UP);
  for (const [name, { help, labelNames, bounds }] of Object.entries(MEASURED_METRICS)) {
    const type = bounds === null ? "counter" : "histogram";
    descriptions.push({ name: `kilde_${name}`, type, help, labelNames });
  }
  return descriptions;
}
