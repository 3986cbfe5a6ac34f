import { OUTDATE_FEED_PLANS } from "../feeds/outdate-plans.ts";
import { type LogLineage, renewLogIdentities } from "../log/identity.ts";
import type { Database } from "../storage/database.ts";
import { OUTDATE_DELIVERIES } from "../webhooks/subscriptions/outdate-deliveries.ts";

/**
 * Gives every log of a database a new identity, in one atomic write, and records the former ones. No plan that a process
 * made on the former histories is written afterwards. Call it on a restored file before anything is written to it.
 *
 * @param replaced histories of the store that the database replaces (`readIdentities`); empty when there is none
 * @returns the histories after the renewal
 */
export function renewIdentities(
  database: Database,
  replaced: readonly LogLineage[] = [],
): Promise<LogLineage[]> {
  return renewLogIdentities(database, replaced, [OUTDATE_FEED_PLANS, OUTDATE_DELIVERIES]);
}
