import { type Database, integerAt, type Row, textAt } from "../storage/database.ts";
import type { LogAddress } from "./keys.ts";

/** The head and the identity of a log, in one state of the database. */
export interface LogState {
  /** Position of the last event ever appended; 0 when there is none. */
  readonly head: number;
  /** Empty while a replica does not have the log yet. */
  readonly identity: string;
}

/** The state of a log as one read observed it. */
export interface ObservedLog extends LogState {
  /** How often events of the log were truncated or erased. */
  readonly removals: number;
}

const COLUMNS = "id, head, identity, removals";

function observedLog(row: Row): ObservedLog {
  return { head: integerAt(row, 1), identity: textAt(row, 2), removals: integerAt(row, 3) };
}

/** Looks up the state of a log. */
export async function readLogState(database: Database, log: LogAddress): Promise<ObservedLog> {
  const [row] = await database.read({ sql: `select ${COLUMNS} from logs where id = ?`, args: [log.id] });
  return row === undefined ? { head: 0, identity: "", removals: 0 } : observedLog(row);
}

/** Looks up the state of several logs, by their ids; a log that a replica does not have yet is missing. */
export async function readLogStates(
  database: Database,
  ids: Iterable<number>,
): Promise<ReadonlyMap<number, ObservedLog>> {
  const rows = await database.read({
    sql: `select ${COLUMNS} from logs where id in (select value from json_each(?1))`,
    args: [JSON.stringify(Array.from(ids))],
  });
  return new Map(rows.map((row) => [integerAt(row, 0), observedLog(row)]));
}
