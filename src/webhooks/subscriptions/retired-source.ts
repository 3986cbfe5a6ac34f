import { type Database, textAt } from "../../storage/database.ts";
import type { LogAddress } from "../../log/keys.ts";
import { type BatchWriter, writeUnplanned } from "../../storage/batch-writer.ts";

/** Why a subscription is paused whose log is no more. */
export const SOURCE_RETIRED = "source retired";

/** Ids of the subscriptions to a log that are not paused. */
export async function activeSubscriptions(database: Database, { id }: LogAddress): Promise<string[]> {
  const sql = "select id from subscriptions where log = ?1 and status = 'active' order by id";
  return (await database.read({ sql, args: [id] })).map((row) => textAt(row, 0));
}

/** Pauses the subscriptions to a log that was retired. `now`: RFC 3339. Gives their ids. */
export async function pauseRetired(writer: BatchWriter, { id }: LogAddress, now: string): Promise<string[]> {
  const sql = `update subscriptions set status = 'paused', reason = ?2, since = ?3, revision = revision + 1
    where log = ?1 and status = 'active' returning id`;
  const { rows } = await writeUnplanned(writer, [{ sql, args: [id, SOURCE_RETIRED, now] }]);
  return (rows[0] ?? []).map((row) => textAt(row, 0));
}
