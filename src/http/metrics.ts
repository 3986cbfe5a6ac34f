// One by one: the package as a whole also measures the process, with what workers do not have.
import Gauge from "prom-client/lib/gauge.js";
import Registry from "prom-client/lib/registry.js";

import type { FeedState } from "../feed/status.ts";
import { readHead } from "../log/subjects.ts";
import type { AppDeps } from "./deps.ts";
import { tellSubscriptions } from "./subscription-metrics.ts";

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

/** The metrics, and their media type. */
export async function metricsOf(deps: AppDeps) {
  const { reader, feeds, followers, database } = deps;
  const registry = new Registry();
  const gauge = (name: string, help: string, labelNames: string[] = []) =>
    new Gauge({ name: `kilde_${name}`, help, labelNames, registers: [registry] });

  gauge("event_log_head", "Position of the last event").set(await readHead(database, reader.address));
  if (reader.replica) {
    // One that cannot be read now has nothing to tell, and must not keep the rest from being told.
    const head = await reader.head().catch(() => null);
    if (head !== null) gauge("replica_head", "Position of the last event that the replica has").set(head);
  }
  gauge("followers", "Requests that follow a log in this process").set(followers.count());

  const perFeed = ["feed", "version"];
  const gauges = FEED_METRICS.map(({ name, help, value }) => ({
    gauge: gauge(`feed_${name}`, help, perFeed),
    value,
  }));
  const status = gauge("feed_status", "1 for the status that the feed has", [...perFeed, "status"]);
  for (const open of feeds.all) {
    const state = await feeds.state(open);
    if (state === null) continue;
    const labels = { feed: open.feed.name, version: String(open.feed.version) };
    for (const { gauge: each, value } of gauges) {
      const told = value(state);
      if (told !== null) each.set(labels, told);
    }
    for (const name of STATUSES) status.set({ ...labels, status: name }, name === state.status ? 1 : 0);
  }
  await tellSubscriptions(deps, gauge);
  return { text: await registry.metrics(), mediaType: registry.contentType };
}
