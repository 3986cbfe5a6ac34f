import { type Database, integerAt, type Row, textAt } from "../../storage/database.ts";
import { type HeldLease, isRunning, joinLease, NOW } from "../../storage/lease.ts";
import { RETRY_LAST_MS } from "../endpoint/endpoint.ts";
import { leaseName } from "../subscriptions/lease-name.ts";

/** An active subscription that is behind, and who may deliver it. */
export interface BehindSubscription {
  readonly id: string;
  /** Whether no other process holds the lease now. */
  readonly isFree: boolean;
  /**
   * Whether no other process expects to continue: the asking holder had the lease last, or the last holder released it, or
   * there was none.
   */
  readonly isUnclaimed: boolean;
  /** The lease that another process took last, in force or expired; null: there is none. */
  readonly othersLease: Omit<HeldLease, "rank"> | null;
}

/**
 * Active subscriptions that are behind: the log has newer events, a subject is due, or a redelivery is in progress. A
 * subject that is due beyond its wait is due now: the clock was ahead when that was stored. Subscriptions are ordered
 * by the last change of their lease's holder, the oldest first: where each turn has a holder of its own, delivery
 * continues where the last turn stopped, and a new or briefly delayed subscription starves no other. Argument: holder.
 * The columns are those of a {@link BehindSubscription}.
 */
const FIND_BEHIND = `
select subscription.id, lease.name is null or lease.holder = ?1 or not (${isRunning("lease.expires")}),
  lease.name is null or lease.holder = ?1 or lease.expires = 0,
  nullif(lease.holder, ?1), lease.token
from subscriptions as subscription
cross join logs as log on log.id = subscription.log
${joinLease("'subscriptions/' || subscription.id")}
where subscription.status = 'active' and (subscription.cursor < log.head or subscription.rewind is not null
  or subscription.batch is not null
  or exists (select 1 from subscription_subjects as lane where lane.subscription = subscription.id
    and (lane.due <= ${NOW} or lane.due > ${NOW} + coalesce(lane.wait, ${RETRY_LAST_MS}))))
order by coalesce(lease.token, 0), subscription.id`;

function behindOf(row: Row): BehindSubscription {
  const id = textAt(row, 0);
  return {
    id,
    isFree: integerAt(row, 1) === 1,
    isUnclaimed: integerAt(row, 2) === 1,
    othersLease:
      row[3] === null ? null : { name: leaseName(id), holder: textAt(row, 3), token: integerAt(row, 4) },
  };
}

/** Finds the active subscriptions that are behind, for a holder of leases; the longest not delivered first. */
export async function findBehind(database: Database, holder: string): Promise<readonly BehindSubscription[]> {
  return (await database.read({ sql: FIND_BEHIND, args: [holder] })).map(behindOf);
}
