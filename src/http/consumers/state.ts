import type { ConsumerAlarms } from "../../administration/objectives/consumer-alarms.ts";
import type { ConsumerRecord } from "../../log/consumers/consumers.ts";

export const CONSUMER_STATES = ["keeps-up", "late", "blocked", "silent"] as const;

export type ConsumerState = (typeof CONSUMER_STATES)[number];

/**
 * A consumer without an objective is silent after this time without a read or report. Consumers that follow, poll or report
 * do so every minute.
 */
const SILENT_MS = 5 * 60_000;

/** A consumer without an objective that lacks an event of this age is late. */
const LATE_SECONDS = 60;

/**
 * Returns the first state that applies. Of a consumer with an objective, the alarms decide: it is late or silent from the entry
 * of the alarm to that of its end.
 */
export function stateOfConsumer(
  { seen, blocked, lag }: ConsumerRecord,
  nowMs: number,
  { late, silent }: ConsumerAlarms,
): ConsumerState {
  if (silent ?? nowMs - Date.parse(seen) > SILENT_MS) return "silent";
  if (blocked > 0) return "blocked";
  return (late ?? lag.seconds > LATE_SECONDS) ? "late" : "keeps-up";
}
