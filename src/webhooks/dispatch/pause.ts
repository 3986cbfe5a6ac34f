import { entry, recordEntries } from "../../administration/entry.ts";
import type { Clock } from "../../core/clock.ts";
import { type BatchWriter, writeUnplanned } from "../../storage/batch-writer.ts";
import { subscriptionPath } from "../subscriptions/delivered-filter.ts";
import type { SubscriptionRecord } from "../subscriptions/subscription.ts";

export interface PauseDeps {
  readonly writer: BatchWriter;
  readonly clock: Pick<Clock, "now">;
}

const PAUSE = `
update subscriptions set status = 'paused', reason = ?4, since = ?2, revision = revision + 1
where id = ?1 and revision = ?3 and status = 'active' returning 1`;

/**
 * Pauses a subscription that this process delivers. False when the subscription was changed or resumed since it was read:
 * the reason may not hold any more.
 */
export async function pauseDelivery(
  { writer, clock }: PauseDeps,
  { id, revision }: Pick<SubscriptionRecord, "id" | "revision">,
  reason: string,
): Promise<boolean> {
  const now = new Date(clock.now()).toISOString();
  const paused = entry(subscriptionPath(id), "kilde.subscription.paused", { principal: null, reason });
  const { rows } = await writeUnplanned(writer, [
    { sql: PAUSE, args: [id, now, revision, reason] },
    ...recordEntries([paused], now, "changed"),
  ]);
  return (rows[0]?.length ?? 0) > 0;
}
