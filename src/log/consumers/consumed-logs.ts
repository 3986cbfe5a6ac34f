import { type Database, integerAt, textAt } from "../../storage/database.ts";
import { type LogAddress, logAddress } from "../keys.ts";

export const CONSUMED_LOGS = `
select id, name from logs where exists (select 1 from consumers where log = logs.id) order by id`;

/** Returns the logs that have consumers. */
export async function readConsumedLogs(database: Database): Promise<LogAddress[]> {
  const rows = await database.read({ sql: CONSUMED_LOGS, args: [] });
  return rows.map((row) => logAddress(integerAt(row, 0), textAt(row, 1)));
}
