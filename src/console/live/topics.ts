import type { StoreChanges } from "../../client/store-types.ts";

/** Topics beside the paths of logs. */
export const SUBSCRIPTIONS_TOPIC = "subscriptions";
export const CONSUMERS_TOPIC = "consumers";
export const KEYS_TOPIC = "keys";
/** A connection after a lost one. */
export const CONNECTION_TOPIC = "connection";
/** A change of any feed. */
export const FEEDS_TOPIC = "feeds";
/** Paths of the event log and of the log of administration. */
export const EVENTS_TOPIC = "/events";
export const OPERATIONS_TOPIC = "/operations";

/** Returns the topics of a message, each once. */
export function changedTopics(changes: StoreChanges): ReadonlySet<string> {
  const { logs = {}, subscriptions, consumers, operations, keys } = changes;
  const topics = new Set(Object.keys(logs));
  // A feed is projected from the event log, so its lag changes with either.
  if (topics.size > 0) topics.add(FEEDS_TOPIC);
  if (subscriptions !== undefined) topics.add(SUBSCRIPTIONS_TOPIC);
  if (consumers === true) topics.add(CONSUMERS_TOPIC);
  if (operations !== undefined) topics.add(OPERATIONS_TOPIC);
  if (keys !== undefined) topics.add(KEYS_TOPIC);
  return topics;
}
