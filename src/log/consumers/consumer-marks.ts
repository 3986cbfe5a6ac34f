import { type Database, textAt } from "../../storage/database.ts";

/** The latest activity alone would miss the commits of a process whose clock is behind, and consumers that were forgotten. */
export const SELECT_CONSUMER_MARKS = `
select log.name, count(*) || ' ' || max(consumer.seen) || ' ' || sum(coalesce(consumer.committed, 0)) || ' '
  || sum(coalesce(consumer.sent, 0)) || ' ' || sum(consumer.blocked)
from consumers as consumer cross join logs as log on log.id = consumer.log group by consumer.log`;

/** Returns a text for each log with consumers, by its path, that differs after each change of one of its consumers. */
export async function readConsumerMarks(database: Database): Promise<ReadonlyMap<string, string>> {
  const rows = await database.read({ sql: SELECT_CONSUMER_MARKS, args: [] });
  return new Map(rows.map((row) => [textAt(row, 0), textAt(row, 1)]));
}
