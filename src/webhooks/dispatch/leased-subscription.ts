import type { Database } from "../../storage/database.ts";
import { type Lease, releaseLease } from "../../storage/lease.ts";
import { CREATOR_ENDED, type CreatorMayRead } from "../subscriptions/creator-access.ts";
import { readSubscription } from "../subscriptions/record.ts";
import type { OpenSecrets } from "../endpoint/request.ts";
import type { SubscriptionRecord } from "../subscriptions/subscription.ts";
import type { DeliveryRunEvent } from "./delivery-event.ts";
import { type PauseDeps, pauseDelivery } from "./pause.ts";

export interface LeasedSubscriptionDeps extends PauseDeps {
  readonly database: Database;
  readonly creatorMayRead: CreatorMayRead;
  readonly onEvent: (event: DeliveryRunEvent) => void;
  readonly secretsOf: (subscription: SubscriptionRecord) => Promise<OpenSecrets>;
}

/**
 * Reads a subscription and opens its secrets. Requires the lease: the last holder may have stored a lower cursor just
 * before it released the lease. Pauses a subscription whose creator may no longer read the source. Returns null, and
 * releases the lease, when there is nothing to deliver.
 */
export async function openLeasedSubscription(deps: LeasedSubscriptionDeps, id: string, lease: Lease) {
  const { database, writer, secretsOf, creatorMayRead, onEvent } = deps;
  try {
    const subscription = await readSubscription(database, id);
    if (subscription !== null && subscription.status !== "paused") {
      if (await creatorMayRead(subscription)) return { subscription, secrets: await secretsOf(subscription) };
      if (await pauseDelivery(deps, subscription, CREATOR_ENDED))
        onEvent({ kind: "creator-ended", subscription: id });
    }
  } catch (error) {
    // A process that cannot open the secrets leaves the subscription to others; at the latest when the lease expires.
    await releaseLease(writer, lease).catch(() => {});
    throw error;
  }
  await releaseLease(writer, lease);
  return null;
}
