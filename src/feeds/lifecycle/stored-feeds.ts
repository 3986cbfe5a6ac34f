import { type Database, textAt } from "../../storage/database.ts";

const STORED_FEEDS = `
select log.name from feeds cross join logs as log on log.id = feeds.log
where feeds.status in ('building', 'live', 'halted') order by log.name`;

/** Paths of the feeds that the store holds, but for those that are being emptied. */
export async function storedFeeds(database: Database): Promise<string[]> {
  return (await database.read({ sql: STORED_FEEDS, args: [] })).map((row) => textAt(row, 0));
}
