// One by one: the package as a whole also measures the process, with what workers do not have.
import Gauge from "prom-client/lib/gauge.js";
import Registry from "prom-client/lib/registry.js";

import type { FeedState } from "../../feeds/lifecycle/status.ts";
import { readHead } from "../../log/read/subjects.ts";
import { readSweepBacklog } from "../../log/erase/sweeper.ts";
import { consumerGauges } from "../consumers/metrics.ts";
import type { AppDeps } from "../deps.ts";
import { type GaugeOf, subscriptionGauges } from "../subscriptions/metrics.ts";

/*
 * Metrics in Prometheus' text format, looked up when they are asked for: what they tell stands in the database, and
 * counting along would be another truth.
 */

interface FeedMetric {
  readonly name: string;
  readonly help: string;
  /** Null: not to be told now. */
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
    help: "Time until the feed is live, as far as it can be told",
    value: ({ progress }) => progress?.secondsLeft ?? null,
  },
];

const STATUSES = ["building", "live", "halted", "rebuilding", "retiring"] as const;

/** Only a store with a replica has it. */
const REPLICA_HEAD = ["replica_head", "Position of the last event that the replica has"] as const;
/** Only a process with tenants has it. */
const TENANT_UP = ["tenant_up", "1 if the tenant's database could be read just now"] as const;

/** A store that is measured. */
export interface Measured {
  /** Labels that tell it from others; the same names for each. */
  readonly labels: Readonly<Record<string, string>>;
  /** Null: it cannot be used now. */
  readonly deps: AppDeps | null;
}

/** Makes the gauges that each store sets. */
function storeGauges(gauge: GaugeOf) {
  const perFeed = ["feed", "version"];
  const head = gauge("event_log_head", "Position of the last event");
  const followed = gauge("followers", "Requests that follow a log in this process");
  const pending = gauge("erasures_pending", "Erasures of which storage may still hold data");
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
  const tellSubscriptions = subscriptionGauges(gauge);
  const setConsumers = consumerGauges(gauge);
  let replicaHead: Gauge | null = null;

  return async (labels: Measured["labels"], deps: AppDeps): Promise<void> => {
    const { reader, sweepFailure, feeds, followers, database, bodies, answers } = deps;
    pending.set(labels, (await readSweepBacklog(database)).erasures);
    sweepFailures.set(labels, sweepFailure()?.attempts ?? 0);
    followed.set(labels, followers.count());
    bodyBytes.set(labels, bodies.held());
    answerBytes.set(labels, answers.held());
    head.set(labels, await readHead(database, reader.address));
    if (reader.replica) {
      // One that cannot be read now has nothing to tell, and must not keep the rest from being told.
      const its = await reader.head().catch(() => null);
      if (its !== null) {
        replicaHead ??= gauge(...REPLICA_HEAD);
        replicaHead.set(labels, its);
      }
    }
    await setConsumers(labels, deps, reader);
    for (const open of feeds.all) {
      const state = await feeds.state(open);
      if (state === null) continue;
      await setConsumers(labels, deps, open.reader);
      const ofFeed = { ...labels, feed: open.feed.name, version: String(open.feed.version) };
      for (const { gauge: each, value } of gauges) {
        const told = value(state);
        if (told !== null) each.set(ofFeed, told);
      }
      for (const name of STATUSES) status.set({ ...ofFeed, status: name }, name === state.status ? 1 : 0);
    }
    await tellSubscriptions(labels, deps);
  };
}

/** One of several stores that takes longer does not hold up the others, in milliseconds. */
const DEADLINE_MS = 2_000;

async function withinDeadline({ clock }: AppDeps, work: Promise<void>): Promise<void> {
  const done = new AbortController();
  const late = clock.sleep(DEADLINE_MS, done.signal).then(() => {
    if (!done.signal.aborted) throw new Error(`not measured within ${DEADLINE_MS} ms`);
  });
  await Promise.race([work, late]).finally(() => done.abort());
}

/** The metrics of a store, or of several, of which any that cannot be measured now is told of as such. */
export async function metricsOf(stores: readonly Measured[]) {
  const registry = new Registry();
  const own = Object.keys(stores[0]?.labels ?? {});
  const gauge: GaugeOf = (name, help, labelNames = []) =>
    new Gauge({ name: `kilde_${name}`, help, labelNames: [...own, ...labelNames], registers: [registry] });
  const tell = storeGauges(gauge);
  if (own.length === 0) {
    for (const { labels, deps } of stores) if (deps !== null) await tell(labels, deps);
  } else {
    const up = gauge(...TENANT_UP);
    const measure = async ({ labels, deps }: Measured) => {
      const measured =
        deps === null
          ? false
          : await withinDeadline(deps, tell(labels, deps)).then(
              () => true,
              () => false,
            );
      up.set(labels, measured ? 1 : 0);
    };
    await Promise.all(stores.map(measure));
  }
  return { text: await registry.metrics(), mediaType: registry.contentType };
}

export function metricsAnswer({ text, mediaType }: Awaited<ReturnType<typeof metricsOf>>): Response {
  return new Response(text, { headers: { "Content-Type": mediaType, "Cache-Control": "no-store" } });
}

/** A metric as its documentation lists it. */
export interface MetricDescription {
  readonly name: string;
  readonly help: string;
  readonly labelNames: readonly string[];
}

/** Describes every metric that a process may have, without measuring. */
export function metricDescriptions(): readonly MetricDescription[] {
  const descriptions: MetricDescription[] = [];
  const describe: GaugeOf = (name, help, labelNames = []) => {
    descriptions.push({ name: `kilde_${name}`, help, labelNames });
    return new Gauge({ name, help, labelNames: [...labelNames], registers: [] });
  };
  storeGauges(describe);
  describe(...REPLICA_HEAD);
  describe(...TENANT_UP);
  return descriptions;
}
