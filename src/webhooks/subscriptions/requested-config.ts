import type { Send } from "../egress/outgoing.ts";
import { askConsent } from "./consent.ts";
import type { SubscriptionConfig } from "./subscription.ts";

/** The requested part of the configuration; the rest follows from it. */
export type RequestedConfig = Omit<SubscriptionConfig, "ratePerMinute" | "headerNames">;

/** Asks the endpoint for consent, if the configuration requires it; returns the rate that the endpoint allows. */
export async function allowedRate(
  send: Send,
  { url, consentedOrigin }: RequestedConfig,
): Promise<number | null> {
  return consentedOrigin === null ? null : askConsent(send, url, consentedOrigin);
}
