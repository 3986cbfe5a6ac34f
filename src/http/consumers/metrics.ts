import { readConsumerAlarms } from "../../administration/objectives/consumer-alarms.ts";
import { consumerPagesOfLogs } from "../../log/consumers/consumer-pages.ts";
import type { ConsumerRecord } from "../../log/consumers/consumers.ts";
import type { LogAddress } from "../../log/keys.ts";
import { CONSUMER_STATES, stateOfConsumer } from "./state.ts";
import type { AppDeps } from "../deps.ts";
import type { GaugeOf } from "../subscriptions/metrics.ts";

const METRICS: readonly {
  readonly name: string;
  readonly help: string;
  readonly value: (consumer: ConsumerRecord) => number;
}[] = [
  {
    name: "blocked_subjects",
    help: "Subjects that the consumer reported as blocked with its last commit",
    value: ({ blocked }) => blocked,
  },
  {
    name: "lag_events",
    help: "Positions that the consumer has not committed, or has not read if it never commits",
    value: ({ lag }) => lag.events,
  },
  { name: "lag_seconds", help: "Age of the first of them", value: ({ lag }) => lag.seconds },
  {
    name: "last_seen_timestamp_seconds",
    help: "When the consumer last read or committed",
    value: ({ seen }) => Date.parse(seen) / 1_000,
  },
];

/**
 * Creates the gauges of consumers, whose number is bounded (`limits.consumers`). Returns a function that sets them for
 * each consumer of some logs.
 */
export function consumerGauges(gauge: GaugeOf) {
  const labelNames = ["consumer", "source"];
  const gauges = METRICS.map(({ name, help, value }) => ({
    each: gauge(`consumer_${name}`, help, labelNames),
    value,
  }));
  const stateGauge = gauge("consumer_state", "1 for the state that the consumer is in", [
    ...labelNames,
    "state",
  ]);
  return async (
    own: Readonly<Record<string, string>>,
    { database, clock }: AppDeps,
    logs: readonly LogAddress[],
  ): Promise<void> => {
    const alarmsOf = await readConsumerAlarms(database);
    const pathOf = new Map(logs.map(({ id, name }) => [id, name]));
    for await (const page of consumerPagesOfLogs({ database, clock })) {
      const nowMs = clock.now();
      for (const { log, consumer } of page) {
        const source = pathOf.get(log);
        if (source === undefined) continue;
        const labels = { ...own, consumer: consumer.name, source };
        const state = stateOfConsumer(consumer, nowMs, alarmsOf(source, consumer.name));
        for (const { each, value } of gauges) each.set(labels, value(consumer));
        for (const name of CONSUMER_STATES)
          stateGauge.set({ ...labels, state: name }, name === state ? 1 : 0);
      }
    }
  };
}
