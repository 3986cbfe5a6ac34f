import type { EndpointTrouble } from "../subscriptions/subscription.ts";

/** An event of the deliveries of this process, for its log. `subscription` "all": no subscription could be looked up. */
export type DeliveryRunEvent =
  | { readonly kind: "failed"; readonly subscription: string; readonly error: unknown }
  | { readonly kind: "gone"; readonly subscription: string }
  | { readonly kind: "creator-ended"; readonly subscription: string }
  | { readonly kind: "down"; readonly subscription: string; readonly trouble: EndpointTrouble }
  | { readonly kind: "up"; readonly subscription: string }
  | { readonly kind: "many-blocked"; readonly subscription: string; readonly blocked: number };
