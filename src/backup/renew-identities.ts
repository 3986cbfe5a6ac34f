import { recordRestore } from "../administration/restore-entries.ts";
import type { Clock } from "../core/clock.ts";
import { OUTDATE_FEED_PLANS } from "../feeds/outdate-plans.ts";
import { type LogLineage, renewLogIdentities } from "../log/identity.ts";
import type { Database } from "../storage/database.ts";
import { OUTDATE_DELIVERIES } from "../webhooks/subscriptions/outdate-deliveries.ts";

/**
 * Gives every log of a database a new identity, in one atomic write, and records the former ones. No plan that a process
 * made on the former histories is written afterwards. Call it on a restored file before anything is written to it.
 *
 * @param clock dates the entries in the log of administration
 * @param replaced histories of the store that the database replaces (`readIdentities`); empty when there is none
 * @returns the histories after the renewal
 */
export function renewIdentities(
  database: Database,
  clock: Pick<Clock, "now">,
  replaced: readonly LogLineage[] = [],
): Promise<LogLineage[]> {
  const now = new Date(clock.now()).toISOString();
  const after = [OUTDATE_FEED_PLANS, OUTDATE_DELIVERIES, ...recordRestore(now)];
  return renewLogIdentities(database, replaced, after);
}
