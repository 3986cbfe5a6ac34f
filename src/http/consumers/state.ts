import type { ConsumerRecord } from "../../log/consumers/consumers.ts";

export const CONSUMER_STATES = ["keeps-up", "late", "blocked", "silent"] as const;

export type ConsumerState = (typeof CONSUMER_STATES)[number];

/** A consumer that was not seen for so long is silent: those that follow, poll or report are seen every minute. */
const SILENT_MS = 5 * 60_000;

/** A consumer that lacks an event of this age is late. */
const LATE_SECONDS = 60;

/** How a consumer is doing, in a word: the first that applies. */
export function stateOfConsumer({ seen, blocked, lag }: ConsumerRecord, nowMs: number): ConsumerState {
  if (nowMs - Date.parse(seen) > SILENT_MS) return "silent";
  if (blocked > 0) return "blocked";
  return lag.seconds > LATE_SECONDS ? "late" : "keeps-up";
}
