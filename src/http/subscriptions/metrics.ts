import type { Gauge } from "prom-client";

import { listSubscriptions } from "../../webhooks/subscriptions/record.ts";
import {
  statesOf,
  SUBSCRIPTION_STATUSES,
  type SubscriptionState,
} from "../../webhooks/subscriptions/state.ts";
import type { AppDeps } from "../deps.ts";

/** Creates a gauge; its name lacks the common prefix. */
export type GaugeOf = (name: string, help: string, labelNames?: readonly string[]) => Gauge;

const METRICS: readonly {
  readonly name: string;
  readonly help: string;
  readonly value: (state: SubscriptionState) => number;
}[] = [
  {
    name: "cursor",
    help: "Position up to which the subscription is delivered",
    value: ({ cursor }) => cursor,
  },
  { name: "lag_events", help: "Positions that are not delivered yet", value: ({ lag }) => lag.events },
  {
    name: "lag_seconds",
    help: "Age of the first event that is not delivered yet",
    value: ({ lag }) => lag.seconds,
  },
  {
    name: "blocked_subjects",
    help: "Subjects with an event that the endpoint did not accept",
    value: ({ blocked }) => blocked,
  },
];

const PAGE = 1_000;

/**
 * Creates the gauges of subscriptions, whose number is bounded (`limits.subscriptions`). Returns a function that sets
 * them.
 */
export function subscriptionGauges(gauge: GaugeOf) {
  const labelNames = ["subscription", "source"];
  const gauges = METRICS.map(({ name, help, value }) => ({
    each: gauge(`subscription_${name}`, help, labelNames),
    value,
  }));
  const status = gauge("subscription_status", "1 for the status that the subscription has", [
    ...labelNames,
    "status",
  ]);
  return async (own: Readonly<Record<string, string>>, { database, clock }: AppDeps): Promise<void> => {
    for (let cursor: string | undefined = ""; cursor !== undefined;) {
      const page = await listSubscriptions(database, { cursor, limit: PAGE });
      const states = await statesOf(database, page, clock.now());
      for (const [index, subscription] of page.entries()) {
        const state = states[index];
        if (state === undefined) continue;
        const labels = { ...own, subscription: subscription.id, source: subscription.log.name };
        for (const { each, value } of gauges) each.set(labels, value(state));
        for (const name of SUBSCRIPTION_STATUSES)
          status.set({ ...labels, status: name }, name === state.status ? 1 : 0);
      }
      cursor = page.length < PAGE ? undefined : page.at(-1)?.id;
    }
  };
}
