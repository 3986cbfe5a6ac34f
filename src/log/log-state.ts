import { type Database, integerAt, textAt } from "./database.ts";
import type { LogAddress } from "./keys.ts";

/** How far a log is, and which history it holds, in one state of the database. */
export interface LogState {
  /** Position of the last event ever appended; 0 when there is none. */
  readonly head: number;
  /** Empty while a replica does not have the log yet. */
  readonly identity: string;
}

/** Looks up the state of a log. */
export async function readLogState(database: Database, log: LogAddress): Promise<LogState> {
  const [row] = await database.read({ sql: "select head, identity from logs where id = ?", args: [log.id] });
  return row === undefined
    ? { head: 0, identity: "" }
    : { head: integerAt(row, 0), identity: textAt(row, 1) };
}
