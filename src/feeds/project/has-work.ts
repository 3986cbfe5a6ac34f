import { type Database, integerAt } from "../../storage/database.ts";
import { readOfAll } from "../../storage/read-of-all.ts";
import type { RegisteredFeed } from "../lifecycle/register.ts";
import { withDependents } from "../lifecycle/retire.ts";

/** Arguments: JSON `[[log id of the feed, log id of its source, whether it is tracked], …]`. */
export const FIND_WORK = `
select feed.log from json_each(?1) as wanted
cross join feeds as feed on feed.log = wanted.value ->> 0
cross join logs as source on source.id = wanted.value ->> 1
where feed.status <> 'live' or feed.cursor < source.head or (feed.traced is not null and wanted.value ->> 2)`;

/**
 * Returns the feeds that are behind their sources, still trace origins, or are not live, and all that are projected from these, in
 * their order.
 */
export async function feedsWithWork(
  database: Database,
  registered: readonly RegisteredFeed[],
): Promise<readonly RegisteredFeed[]> {
  const wanted = registered.map(({ log, source, tracked }) => [log.id, source.id, tracked]);
  const rows = await readOfAll(database, FIND_WORK, wanted);
  const found = new Set(rows.map((row) => integerAt(row, 0)));
  const behind = registered.filter(({ log }) => found.has(log.id));
  const working = new Set(behind.flatMap((feed) => withDependents(feed, registered)));
  return registered.filter((feed) => working.has(feed));
}

/** Whether one of the feeds has work. */
export async function hasWork(database: Database, registered: readonly RegisteredFeed[]): Promise<boolean> {
  return (await feedsWithWork(database, registered)).length > 0;
}
