import { EVENT_LOG_ADDRESS } from "../../src/log/keys.ts";
import type { SubscriptionRow } from "../../src/webhooks/subscriptions/change.ts";
import type { SubscriptionConfig } from "../../src/webhooks/subscriptions/subscription.ts";

/** A subscription to the whole event log that sends each event in a request of its own, without signatures. */
export function subscriptionRow(
  id: string,
  {
    config,
    ...row
  }: Partial<Omit<SubscriptionRow, "config">> & { config?: Partial<SubscriptionConfig> } = {},
): SubscriptionRow {
  return {
    id,
    log: EVENT_LOG_ADDRESS,
    config: {
      url: `https://receiver.example/${id}`,
      filter: {},
      mode: { kind: "single" },
      concurrency: 8,
      attempts: null,
      headerNames: [],
      ratePerMinute: null,
      consentedOrigin: null,
      description: "",
      ...config,
    },
    secrets: { signing: [], headers: null },
    cursor: 0,
    now: new Date().toISOString(),
    mostSubscriptions: 100,
    ...row,
  };
}
