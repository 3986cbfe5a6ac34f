import { type Database, integerAt, type Row, textAt, textOrNullAt } from "../../storage/database.ts";

/** Whether a subscription delivers, without its lag: one query reads that for many subscriptions. */
export interface SubscriptionHealth {
  readonly id: string;
  /** Path of its log. */
  readonly source: string;
  readonly subjectPrefix: string;
  readonly status: "delivering" | "failing" | "paused";
  /** Why it is failing or paused; null: unknown, or it delivers. */
  readonly reason: string | null;
  /** Since when it is failing or paused, RFC 3339; null: it delivers. */
  readonly since: string | null;
  /** Subjects with a rejected event. */
  readonly blocked: number;
}

/** Arguments: ids after, limit. */
export const SELECT_HEALTH = `
select subscription.id, log.name, coalesce(subscription.config ->> '$.filter.subjectPrefix', ''), subscription.status,
  subscription.reason, subscription.since, subscription.trouble ->> '$.error', subscription.trouble ->> '$.since',
  (select count(*) from subscription_subjects as lane where lane.subscription = subscription.id and lane.attempts > 0),
  (select min(lane.since) from subscription_subjects as lane where lane.subscription = subscription.id and lane.attempts > 0)
from subscriptions as subscription cross join logs as log on log.id = subscription.log
where subscription.id > ?1 order by subscription.id limit ?2`;

function healthOf(row: Row): SubscriptionHealth {
  const blocked = integerAt(row, 8);
  const common = { id: textAt(row, 0), source: textAt(row, 1), subjectPrefix: textAt(row, 2), blocked };
  if (textAt(row, 3) === "paused")
    return { ...common, status: "paused", reason: textOrNullAt(row, 4), since: textAt(row, 5) };
  const error = textOrNullAt(row, 6);
  if (error !== null)
    return { ...common, status: "failing", reason: `endpoint: ${error}`, since: textOrNullAt(row, 7) };
  if (blocked > 0)
    return { ...common, status: "failing", reason: "blocked subjects", since: textOrNullAt(row, 9) };
  return { ...common, status: "delivering", reason: null, since: null };
}

/** Reads the health of subscriptions in order of id, after a cursor. */
export async function listHealth(
  database: Database,
  { cursor, limit }: { readonly cursor: string; readonly limit: number },
): Promise<SubscriptionHealth[]> {
  return (await database.read({ sql: SELECT_HEALTH, args: [cursor, limit] })).map(healthOf);
}
