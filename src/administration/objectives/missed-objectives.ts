import type { ObjectiveKind } from "../../core/objective.ts";
import { type Database, textAt, textOrNullAt } from "../../storage/database.ts";
import type { AlarmState, Measure } from "./alarm-state.ts";

/** An objective that a consumer, feed or subscription misses: its alarm is open. */
export interface MissedObjective extends Pick<
  AlarmState,
  "kind" | "name" | "resource" | "measure" | "since"
> {
  /** Of the value that is measured. */
  readonly limitSeconds: number;
  /** Whom it concerns, as the objective states now; null: it states nobody. */
  readonly contact: string | null;
}

export const SELECT_MISSED = `
select state.kind, state.name, state.resource, state.measure, state.since,
  iif(state.measure = 'lag', objective.lag, objective.silent), objective.contact
from objective_states as state
cross join objectives as objective on objective.kind = state.kind and objective.name = state.name
where state.missed = 1 and iif(state.measure = 'lag', objective.lag, objective.silent) is not null
order by state.kind, state.name, state.resource, state.measure`;

/** Reads the objectives of a store that are missed. */
export async function readMissedObjectives(database: Database): Promise<readonly MissedObjective[]> {
  const rows = await database.read({ sql: SELECT_MISSED, args: [] });
  return rows.map((row) => ({
    // Written by this program from these values.
    kind: textAt(row, 0) as ObjectiveKind,
    name: textAt(row, 1),
    resource: textAt(row, 2),
    measure: textAt(row, 3) as Measure,
    since: textAt(row, 4),
    limitSeconds: Number(row[5]),
    contact: textOrNullAt(row, 6),
  }));
}
