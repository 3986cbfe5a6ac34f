import { openDoorbellDeliveries } from "./doorbell-deliveries.ts";
import { openEventDeliveries } from "./event-deliveries.ts";
import { createHealthRecord } from "./health-record.ts";
import type { PendingDeliveries, PendingDeliveriesDeps } from "./pending-deliveries.ts";
import type { SubscriptionRecord } from "../subscriptions/subscription.ts";

/**
 * Opens the stored state of a subscription, also of another mode: a frozen batch that is no longer sent as one becomes
 * lanes; a doorbell, which has neither, starts before the first event that is not acknowledged.
 */
export async function openPendingDeliveries(
  deps: PendingDeliveriesDeps,
  subscription: SubscriptionRecord,
): Promise<PendingDeliveries> {
  const { mode } = subscription.config;
  const opened = await (mode.kind === "doorbell"
    ? openDoorbellDeliveries(deps, subscription)
    : openEventDeliveries(deps, subscription, mode));
  const health = createHealthRecord(subscription, opened.blocked);
  return {
    ...opened,
    snapshot(trouble, now) {
      const { acknowledge, ...snapshot } = opened.snapshot();
      const recorded = health.record({ ...snapshot, trouble }, now);
      return {
        ...snapshot,
        ...recorded.progress,
        acknowledge() {
          acknowledge();
          recorded.acknowledge();
        },
      };
    },
    countedDue: (now, isTurn) => health.due(now, isTurn),
  };
}
