import type { OpenFeed } from "../../feeds/feeds.ts";
import type { FeedState } from "../../feeds/lifecycle/status.ts";
import type { GaugeOf } from "../subscriptions/metrics.ts";

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

/** Creates the gauges of feeds. Returns a function that sets those of one feed. */
export function feedGauges(gauge: GaugeOf) {
  const labelNames = ["feed", "version"];
  const gauges = FEED_METRICS.map(({ name, help, value }) => ({
    each: gauge(`feed_${name}`, help, labelNames),
    value,
  }));
  const status = gauge("feed_status", "1 for the status that the feed has", [...labelNames, "status"]);
  const sunset = gauge(
    "feed_sunset_timestamp_seconds",
    "When the version of the feed ends, as its definition states",
    [...labelNames, "log"],
  );
  return (own: Readonly<Record<string, string>>, { feed, reader }: OpenFeed, state: FeedState): void => {
    const labels = { ...own, feed: feed.name, version: String(feed.version) };
    for (const { each, value } of gauges) {
      const measured = value(state);
      if (measured !== null) each.set(labels, measured);
    }
    for (const name of STATUSES) status.set({ ...labels, status: name }, name === state.status ? 1 : 0);
    if (feed.sunset !== null) sunset.set({ ...labels, log: reader.name }, Date.parse(feed.sunset) / 1_000);
  };
}
