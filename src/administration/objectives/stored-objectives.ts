import type { Objective, ObjectiveKind } from "../../core/objective.ts";
import { type Database, type Row, type Statement, textAt, textOrNullAt } from "../../storage/database.ts";

/** An objective as the store has it. */
export interface StoredObjective extends Objective {
  /**
   * When it was first stated, for the log that it names; of a consumer that was forgotten since then, when that was, or
   * when it was last seen if others took its place. RFC 3339.
   */
  readonly since: string;
}

const SELECT_OBJECTIVES =
  "select kind, name, log, lag, silent, contact, since from objectives order by kind, name";

/** Argument: JSON of `Objective`s. */
const DELETE_OTHERS = `
delete from objectives where (kind, name) not in (
  select stated.value ->> '$.kind', stated.value ->> '$.name' from json_each(?1) as stated)`;

/** Arguments: JSON of `Objective`s, now. */
const UPSERT_OBJECTIVES = `
insert into objectives (kind, name, log, lag, silent, contact, since)
select stated.value ->> '$.kind', stated.value ->> '$.name', stated.value ->> '$.log', stated.value ->> '$.lagSeconds',
  stated.value ->> '$.silentSeconds', stated.value ->> '$.contact', ?2
from json_each(?1) as stated where true
on conflict (kind, name) do update set
  since = iif(log is excluded.log and since <= excluded.since, since, excluded.since), log = excluded.log, lag = excluded.lag, silent = excluded.silent, contact = excluded.contact`;

const numberOrNull = (row: Row, column: number) => (row[column] === null ? null : Number(row[column]));

/** Reads all objectives of the store. */
export async function readObjectives(database: Database): Promise<readonly StoredObjective[]> {
  const rows = await database.read({ sql: SELECT_OBJECTIVES, args: [] });
  return rows.map((row) => ({
    // Written by this program from objectives of these kinds.
    kind: textAt(row, 0) as ObjectiveKind,
    name: textAt(row, 1),
    log: textOrNullAt(row, 2),
    lagSeconds: numberOrNull(row, 3),
    silentSeconds: numberOrNull(row, 4),
    contact: textOrNullAt(row, 5),
    since: textAt(row, 6),
  }));
}

function keyOf({ kind, name, log, lagSeconds, silentSeconds, contact }: Objective): string {
  return JSON.stringify([kind, name, log, lagSeconds, silentSeconds, contact]);
}

/** Whether the store has exactly the stated objectives, and none from later than `now` (RFC 3339): a clock was ahead. */
export function isStored(
  stated: readonly Objective[],
  stored: readonly StoredObjective[],
  now: string,
): boolean {
  const keys = new Set(stored.map(keyOf));
  return (
    stated.length === stored.length &&
    stated.every((one) => keys.has(keyOf(one))) &&
    stored.every(({ since }) => since <= now)
  );
}

/** Replaces the objectives of the store. Those that stay keep earlier times, unless they name another log. */
export function replaceObjectives(stated: readonly Objective[], now: string): Statement[] {
  const json = JSON.stringify(stated);
  return [
    { sql: DELETE_OTHERS, args: [json] },
    { sql: UPSERT_OBJECTIVES, args: [json, now] },
  ];
}
