import { type Database, textAt } from "../../storage/database.ts";

/** Argument: JSON of paths. */
export const FIND_RETIRED_LOGS = `
select log.name from json_each(?1) as wanted
cross join logs as log on log.name = wanted.value
cross join feeds as feed on feed.log = log.id
where feed.status in ('retiring', 'retired')`;

/** Returns those of the paths that are logs of feeds that were retired. */
export async function findRetiredLogs(
  database: Database,
  paths: readonly string[],
): Promise<ReadonlySet<string>> {
  const feeds = new Set(paths.filter((path) => path.startsWith("/feeds/")));
  if (feeds.size === 0) return feeds;
  const rows = await database.read({ sql: FIND_RETIRED_LOGS, args: [JSON.stringify([...feeds])] });
  return new Set(rows.map((row) => textAt(row, 0)));
}
