import type { ObjectiveKind } from "../../core/objective.ts";
import { type Database, integerAt, type Statement, textAt, textOrNullAt } from "../../storage/database.ts";
import type { EntryType } from "../catalog.ts";
import { recordEntries } from "../entry.ts";
import { OPERATIONS_PATH } from "../operations-log.ts";

/*
 * Whether each objective is missed. A change of that and its entry are one batch, and the database decides in the batch: the
 * change names the position of the entry before it, and is left out when another process has made one since. So each change
 * has one entry, whichever processes measure, and whenever one of them stops.
 */

export const MEASURES = ["lag", "silent"] as const;

/** The value that an objective limits. */
export type Measure = (typeof MEASURES)[number];

/** The objective, the resource and the measure that a state is about. */
export interface AlarmKey {
  readonly kind: ObjectiveKind;
  /** Name of the objective. */
  readonly name: string;
  readonly resource: string;
  readonly measure: Measure;
}

/** Whether a resource misses an objective. Without a state it has never missed it. */
export interface AlarmState extends AlarmKey {
  readonly missed: boolean;
  /** Start of the state, RFC 3339. */
  readonly since: string;
  /** Position of the entry that began it, or of a later one of the same batch. */
  readonly position: number;
  /** Whom the alarm was for. */
  readonly contact: string | null;
}

const SELECT_STATES = `
select kind, name, resource, measure, missed, since, position, contact from objective_states
order by kind, name, resource, measure`;

/** Reads the states of all objectives. */
export async function readAlarmStates(database: Database): Promise<readonly AlarmState[]> {
  const rows = await database.read({ sql: SELECT_STATES, args: [] });
  return rows.map((row) => ({
    // Written by this program from these values.
    kind: textAt(row, 0) as ObjectiveKind,
    name: textAt(row, 1),
    resource: textAt(row, 2),
    measure: textAt(row, 3) as Measure,
    missed: integerAt(row, 4) === 1,
    since: textAt(row, 5),
    position: integerAt(row, 6),
    contact: textOrNullAt(row, 7),
  }));
}

/** A change of a state. */
export interface AlarmChange extends AlarmKey {
  /** Null: the state is deleted. */
  readonly missed: boolean | null;
  /** Position of the state that it was planned on; 0: there was none. */
  readonly basis: number;
  readonly contact: string | null;
  /** `since` of the objective that it was planned on; null: the state ends without one. */
  readonly stated: string | null;
  /** The entry that it makes; null: none, since the state is only deleted. */
  readonly entry: { readonly type: EntryType; readonly data: object } | null;
}

/** SQL: a member of a change, by its name. */
const member = (name: keyof AlarmChange) => `change.value ->> '$.${name}'`;

/**
 * SQL condition: the state is the one that the change was planned on, and an objective that becomes missed is still stated, as
 * it was: it counts from a later time when its consumer was forgotten meanwhile.
 */
const IS_CURRENT = `${member("basis")} = coalesce((
    select position from objective_states where kind = ${member("kind")} and name = ${member("name")}
      and resource = ${member("resource")} and measure = ${member("measure")}), 0)
  and (not coalesce(${member("missed")}, 0)
    or exists (select 1 from objectives
      where kind = ${member("kind")} and name = ${member("name")} and since = ${member("stated")}))`;

/** Argument: 3 JSON of `AlarmChange`s. The states change only after the statements that evaluate it. */
const ENTRIES = `(select json_group_array(json_array(${member("resource")}, change.value ->> '$.entry.type',
    json(change.value -> '$.entry.data')))
  from json_each(?3) as change where change.value ->> '$.entry' is not null and ${IS_CURRENT})`;

/** Arguments: JSON of `AlarmChange`s, now, path of the log of administration. */
const WRITE_STATES = `
insert into objective_states (kind, name, resource, measure, missed, since, position, contact)
select ${member("kind")}, ${member("name")}, ${member("resource")}, ${member("measure")}, ${member("missed")}, ?2,
  (select head from logs where name = ?3), ${member("contact")}
from json_each(?1) as change where ${member("missed")} is not null and ${IS_CURRENT}
on conflict (kind, name, resource, measure) do update set
  missed = excluded.missed, since = excluded.since, position = excluded.position, contact = excluded.contact`;

/** Argument: JSON of `AlarmChange`s. */
const DELETE_STATES = `
delete from objective_states where (kind, name, resource, measure, position) in (
  select ${member("kind")}, ${member("name")}, ${member("resource")}, ${member("measure")}, ${member("basis")}
  from json_each(?1) as change where ${member("missed")} is null)`;

/** Statements of a batch: makes the changes that are still current, with their entries. */
export function changeAlarms(changes: readonly AlarmChange[], now: string): Statement[] {
  const json = JSON.stringify(changes);
  return [
    ...recordEntries({ sql: ENTRIES, args: [json] }, now, "always"),
    { sql: WRITE_STATES, args: [json, now, OPERATIONS_PATH] },
    { sql: DELETE_STATES, args: [json] },
  ];
}
