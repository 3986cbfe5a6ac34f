import { type Database, integerAt, type Statement, textAt } from "../../storage/database.ts";
import type { LogAddress } from "../keys.ts";
import { removalStatement } from "./erasures.ts";
import { raiseBelow } from "./generations.ts";
import { TRUNCATE } from "./truncate.ts";

/** Events that one step looks at: few enough that other writes hardly wait. */
const STEP_EVENTS = 500;

/** Arguments: key, key of the log's end, count. */
export const SELECT_OLDEST = `
select event.key, subject.name, event.version, event.recorded, subject.first_version,
  (select version from events where subject = subject.id order by version desc limit 1)
from events as event cross join subjects as subject on subject.id = event.subject
where event.key > ?1 and event.key <= ?2 order by event.key limit ?3`;

/** One step through the oldest events of a log. */
export interface OlderStep {
  /** Statements of a batch that truncates subjects; empty: there is nothing to truncate. */
  readonly statements: readonly Statement[];
  /** Where the next step begins; null: no older events are left. */
  readonly position: number | null;
}

/**
 * Plans the truncation of the events after a position that were recorded before a time, in a log whose recorded times grow
 * with positions. The last event of each subject stays. The sweep deletes the events. `before`: RFC 3339, UTC, ms.
 */
export async function truncateOlder(
  database: Database,
  log: LogAddress,
  { after, head, before }: { readonly after: number; readonly head: number; readonly before: string },
): Promise<OlderStep> {
  const args = [log.base + after, log.base + head, STEP_EVENTS];
  const rows = await database.read({ sql: SELECT_OLDEST, args });
  const older = rows.filter((row) => textAt(row, 3) < before);
  const firsts = new Map<string, number>();
  for (const row of older) {
    const first = Math.min(integerAt(row, 2) + 1, integerAt(row, 5));
    if (first > integerAt(row, 4)) firsts.set(textAt(row, 1), first);
  }
  const statements = Array.from(firsts, ([subject, first]): Statement[] => [
    raiseBelow(log, subject, first),
    { sql: TRUNCATE, args: [log.id, subject, first] },
  ]).flat();
  const isEnd = older.length < STEP_EVENTS;
  return {
    statements: statements.length === 0 ? [] : [...statements, removalStatement(log)],
    position: isEnd ? null : integerAt(older.at(-1), 0) - log.base,
  };
}
