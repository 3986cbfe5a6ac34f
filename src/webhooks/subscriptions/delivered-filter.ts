import { OPERATIONS_PATH } from "../../administration/operations-log.ts";
import type { EventFilter } from "../../log/read/pages.ts";
import type { SubscriptionRecord } from "./subscription.ts";

/** Path of a subscription, the subject of the entries about it in the log of administration. */
export function subscriptionPath(id: string): string {
  return `/subscriptions/${id}`;
}

/**
 * Selects the events that a subscription delivers. A subscription to the log of administration leaves out the entries
 * about itself: each failed delivery of one would make the next.
 */
export function deliveredFilter({
  id,
  log,
  config: { filter },
}: Pick<SubscriptionRecord, "id" | "log" | "config">): EventFilter {
  return log.name === OPERATIONS_PATH ? { ...filter, exceptSubject: subscriptionPath(id) } : filter;
}
