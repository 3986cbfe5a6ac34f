import type { Database } from "../../storage/database.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";

/** Arguments: log of the feed, log of its source. */
const HAS_WORK = `
select 1 from feeds as feed cross join logs as source on source.id = ?2
where feed.log = ?1 and (feed.status <> 'live' or feed.cursor < source.head)`;

/** Whether one of the feeds is behind its source, or not live. */
export async function hasWork(database: Database, registered: readonly RegisteredFeed[]): Promise<boolean> {
  for (const { log, source } of registered) {
    const found = await database.read({ sql: HAS_WORK, args: [log.id, source.id] });
    if (found.length > 0) return true;
  }
  return false;
}
