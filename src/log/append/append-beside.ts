import type { Statement, Value } from "../../storage/database.ts";
import { LOG_SPAN } from "../keys.ts";

/*
 * The SQL that appends to a log within the batch of another change. Position and version are computed from the log as it
 * is in that batch, so any process may write without a plan, and they stay gapless.
 */

/** A row of {@link eventsBeside}; the data is an object of JSON. */
export type EventBeside = readonly [subject: string, type: string, data: object];

/**
 * The events: an SQL expression for JSON `[[subject, type, data], …]`, whose arguments begin with `?3`. Null: none. Three
 * statements evaluate it, so it must not depend on anything that they change: heads and subjects. It may depend on events,
 * if it gives one row at most: only the last statement adds them, after it has evaluated the expression.
 */
export interface EventsBeside {
  readonly sql: string;
  readonly args: readonly Value[];
}

/** Events that are known before the batch runs. */
export function eventsBeside(rows: readonly EventBeside[]): EventsBeside {
  return { sql: "?3", args: [JSON.stringify(rows)] };
}

/**
 * When the events are appended. `changed`: if the statement before them inserted, updated or deleted a row. `always`: the
 * batch fails as a whole without the change, or the expression gives no events without it.
 */
export type BesideCondition = "changed" | "always";

/*
 * The first statement moves the head if there is something to append. The others run if no event is at the head, which is
 * so only after that. Arguments of all: path of the log, now, those of the expression.
 */

const ADVANCE = "update logs set head = head + json_array_length(";

/** `changes()`: rows that the statement before has changed. */
const advance = (
  events: string,
  condition: BesideCondition,
) => `${ADVANCE}${events}), recorded = max(recorded, ?2)
where name = ?1 and json_array_length(${events}) > 0${condition === "changed" ? " and changes() > 0" : ""}`;

const HAS_ADVANCED = `log.name = ?1 and ?2 is not null and log.head > 0
  and not exists (select 1 from events where key = log.id * ${LOG_SPAN} + log.head)`;

const addSubjects = (events: string) => `
insert into subjects (log, name)
select log.id, entry.value ->> 0 from logs as log cross join json_each(${events}) as entry
where ${HAS_ADVANCED} on conflict do nothing`;

const insertEvents = (events: string) => `
insert into events (key, subject, version, type, time, recorded, data, extensions)
select log.id * ${LOG_SPAN} + log.head - json_array_length(${events}) + 1 + entry.key, subject.id,
  coalesce((select version from events where subject = subject.id order by version desc limit 1), 0)
    + row_number() over (partition by subject.id order by entry.key),
  entry.value ->> 1, null, log.recorded, entry.value ->> 2, null
from logs as log cross join json_each(${events}) as entry
cross join subjects as subject on subject.log = log.id and subject.name = entry.value ->> 0
where ${HAS_ADVANCED}`;

/** Statements of a batch that append events to the log of a path. `now`: RFC 3339, UTC, milliseconds. */
export function appendBeside(
  path: string,
  { sql, args }: EventsBeside,
  { now, condition }: { readonly now: string; readonly condition: BesideCondition },
): Statement[] {
  return [advance(sql, condition), addSubjects(sql), insertEvents(sql)].map((text) => ({
    sql: text,
    args: [path, now, ...args],
  }));
}

/** Whether a statement belongs to {@link appendBeside}. */
export function isAppendBeside({ sql }: Statement): boolean {
  return sql.startsWith(ADVANCE);
}
