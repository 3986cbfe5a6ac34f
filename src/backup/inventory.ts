import { type Database, integerAt, textAt } from "../storage/database.ts";
import { LOG_SPAN } from "../log/keys.ts";

/** How much a log holds. */
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

/** Heads and counts of all logs. Counts every event, so that it takes seconds in a store of ten million. */
export async function takeInventory(database: Database): Promise<LogInventory[]> {
  const rows = await database.read({ sql: INVENTORY, args: [] });
  return rows.map((row) => ({
    log: textAt(row, 0),
    head: integerAt(row, 1),
    events: integerAt(row, 2),
    subjects: integerAt(row, 3),
  }));
}

/** The logs that one inventory has and another has not, or has otherwise. */
export function missingFrom(
  inventory: readonly LogInventory[],
  other: readonly LogInventory[],
): readonly string[] {
  const held = new Set(other.map((log) => JSON.stringify(log)));
  return inventory.filter((log) => !held.has(JSON.stringify(log))).map(({ log }) => log);
}
