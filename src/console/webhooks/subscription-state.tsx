import type { Subscription } from "../../client/subscription-types.ts";

const TEXTS: Readonly<Record<Subscription["status"], string>> = {
  failing: "failing",
  paused: "paused",
  "catching-up": "catching up",
  active: "active",
};

/** The states of subscriptions, those that need a person first. */
export const SUBSCRIPTION_STATES = Object.entries(TEXTS) as readonly [Subscription["status"], string][];

/** Shows the state of a subscription. */
export function SubscriptionState({ status }: Pick<Subscription, "status">) {
  return <span class={`state ${status}`}>{TEXTS[status]}</span>;
}
