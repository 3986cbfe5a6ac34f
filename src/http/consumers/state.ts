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

/** The limits of an objective that a consumer has; null: none. */
export interface ConsumerLimits {
  readonly lagSeconds: number | null;
  readonly silentSeconds: number | null;
}

/** Returns the first state that applies. `limits` replace those that all consumers have. */
export function stateOfConsumer(
  { seen, blocked, lag }: ConsumerRecord,
  nowMs: number,
  limits: ConsumerLimits = { lagSeconds: null, silentSeconds: null },
): ConsumerState {
  const { lagSeconds, silentSeconds } = limits;
  const silentMs = silentSeconds === null ? SILENT_MS : silentSeconds * 1_000;
  if (nowMs - Date.parse(seen) > silentMs) return "silent";
  if (blocked > 0) return "blocked";
  return lag.seconds > (lagSeconds ?? LATE_SECONDS) ? "late" : "keeps-up";
}
