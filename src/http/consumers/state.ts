import type { ConsumerRecord } from "../../log/consumers/consumers.ts";

export const CONSUMER_STATES = ["keeps-up", "late", "blocked", "silent"] as const;

export type ConsumerState = (typeof CONSUMER_STATES)[number];

/**
 * A consumer is silent after this time without a read or report. Consumers that follow, poll or report do so every
 * minute.
 */
const SILENT_MS = 5 * 60_000;

/** A consumer that lacks an event of this age is late. */
const LATE_SECONDS = 60;

/** Returns the first state that applies. */
export function stateOfConsumer({ seen, blocked, lag }: ConsumerRecord, nowMs: number): ConsumerState {
  if (nowMs - Date.parse(seen) > SILENT_MS) return "silent";
  if (blocked > 0) return "blocked";
  return lag.seconds > LATE_SECONDS ? "late" : "keeps-up";
}
