import { type Database, integerAt, textAt } from "../../storage/database.ts";
import { LOG_SPAN } from "../keys.ts";

/** The position of the last event of a log, and how many events it holds. */
export interface LogInventory {
  readonly log: string;
  readonly head: number;
  readonly events: number;
  readonly subjects: number;
}

const INVENTORY = `
select name, head,
  (select count(*) from events where key >= logs.id * ${LOG_SPAN} and key < (logs.id + 1) * ${LOG_SPAN}),
  (select count(*) from subjects where log = logs.id)
from logs order by id`;

/** Reads heads and counts of all logs. It counts every event, which takes seconds in a store of ten million. */
export async function takeInventory(database: Database): Promise<LogInventory[]> {
  const rows = await database.read({ sql: INVENTORY, args: [] });
  return rows.map((row) => ({
    log: textAt(row, 0),
    head: integerAt(row, 1),
    events: integerAt(row, 2),
    subjects: integerAt(row, 3),
  }));
}

/** Describes the logs of one inventory that another one lacks, or that differ in it. */
export function missingFrom(
  inventory: readonly LogInventory[],
  other: readonly LogInventory[],
): readonly string[] {
  const held = new Set(other.map((log) => JSON.stringify(log)));
  return inventory.filter((log) => !held.has(JSON.stringify(log))).map(({ log }) => log);
}
