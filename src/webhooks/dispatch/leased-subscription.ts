import type { Database } from "../../storage/database.ts";
import { type Lease, releaseLease } from "../../storage/lease.ts";
import type { BatchWriter } from "../../storage/batch-writer.ts";
import { readSubscription } from "../subscriptions/record.ts";
import type { OpenSecrets } from "../endpoint/request.ts";
import type { SubscriptionRecord } from "../subscriptions/subscription.ts";

export interface LeasedSubscriptionDeps {
  readonly database: Database;
  readonly writer: BatchWriter;
  readonly secretsOf: (subscription: SubscriptionRecord) => Promise<OpenSecrets>;
}

/**
 * Reads a subscription and opens its secrets. Requires the lease: the last holder may have stored a lower cursor just
 * before it released the lease. Returns null, and releases the lease, when there is nothing to deliver.
 */
export async function openLeasedSubscription(
  { database, writer, secretsOf }: LeasedSubscriptionDeps,
  id: string,
  lease: Lease,
) {
  try {
    const subscription = await readSubscription(database, id);
    if (subscription !== null && subscription.status !== "paused")
      return { subscription, secrets: await secretsOf(subscription) };
  } catch (error) {
    // A process that cannot open the secrets leaves the subscription to others; at the latest when the lease expires.
    await releaseLease(writer, lease).catch(() => {});
    throw error;
  }
  await releaseLease(writer, lease);
  return null;
}
