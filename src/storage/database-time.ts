import { type Database, integerAt } from "./database.ts";
import { NOW } from "./lease.ts";

/** Reads the database's time in milliseconds since 1970, on which processes with different clocks agree. */
export async function databaseTimeMs(database: Database): Promise<number> {
  const [row] = await database.read({ sql: `select ${NOW}`, args: [] });
  return integerAt(row, 0);
}
