import type { Database } from "../../storage/database.ts";

/** Whether the store has a subscription, active or paused. */
export async function hasSubscriptions(database: Database): Promise<boolean> {
  return (await database.read({ sql: "select 1 from subscriptions limit 1", args: [] })).length > 0;
}
