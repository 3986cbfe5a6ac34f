import { ERASED_IN_PART_TYPE, EVENT_ERASED_TYPE } from "../../core/event.ts";
import { type Database, integerAt, type Row, type Statement, textAt } from "../../storage/database.ts";
import type { LogAddress } from "../../log/keys.ts";

/*
 * A draft that is built again keeps the places of erased events: events that report erasures come back with the
 * versions they had, between the events that are published again. `clear.ts` sets them aside, and the plan of a batch
 * puts each in its place as soon as the subject's version reaches it.
 */

/** An event of a subject that has to get its version back. */
export interface Place {
  readonly version: number;
  readonly type: string;
  readonly recorded: string;
  readonly data: string | null;
  readonly extensions: string;
}

/** Types that the plan treats separately: events that erasures leave, and that no handler publishes. */
export const LEFT_BY_ERASURES: readonly string[] = [EVENT_ERASED_TYPE, ERASED_IN_PART_TYPE];

/** SQL: the types of {@link LEFT_BY_ERASURES}. */
export const LEFT_TYPES = LEFT_BY_ERASURES.map((type) => `'${type}'`).join(", ");

/** Whether the place is one of an event that no source event is published as. */
export function isLeft({ type }: Place): boolean {
  return LEFT_BY_ERASURES.includes(type);
}

/**
 * Sets aside the places among the first events of a feed: those that erasures left, and each that everything of its
 * subject before it was erased for. Arguments: first key, last key, count, log id.
 */
export const KEEP_PLACES = `
insert or replace into feed_places (log, name, version, type, recorded, data, extensions)
select ?4, subject.name, event.version, event.type, event.recorded, event.data, event.extensions
from events as event cross join subjects as subject on subject.id = event.subject
where event.key in (select key from events where key >= ?1 and key <= ?2 order by key limit ?3)
and (event.type in (${LEFT_TYPES}) or (event.version = subject.first_version and event.version > 1))`;

/** Arguments: log id, JSON `[name, …]`. */
export const SELECT_PLACES = `
select place.name, place.version, place.type, place.recorded, place.data, place.extensions
from json_each(?2) as name cross join feed_places as place on place.log = ?1 and place.name = name.value`;

function placeOf(row: Row): Place {
  const data = row[4];
  return {
    version: integerAt(row, 1),
    type: textAt(row, 2),
    recorded: textAt(row, 3),
    data: typeof data === "string" ? data : null,
    extensions: textAt(row, 5),
  };
}

/** The places of each of the named subjects that has any, in order of version. */
export async function readPlaces(
  database: Database,
  log: LogAddress,
  names: readonly string[],
): Promise<Map<string, readonly Place[]>> {
  const rows = await database.read({ sql: SELECT_PLACES, args: [log.id, JSON.stringify(names)] });
  const places = new Map<string, Place[]>();
  for (const row of rows) {
    const name = textAt(row, 0);
    const list = places.get(name);
    if (list === undefined) places.set(name, [placeOf(row)]);
    else list.push(placeOf(row));
  }
  for (const list of places.values()) list.sort((a, b) => a.version - b.version);
  return places;
}

/** Arguments: log id, count. */
export const SUBJECTS_WITH_PLACES =
  "select distinct name from feed_places where log = ?1 order by name limit ?2";

/** Some of the subjects that have places left. */
export async function subjectsWithPlaces(
  database: Database,
  log: LogAddress,
  limit: number,
): Promise<string[]> {
  const rows = await database.read({ sql: SUBJECTS_WITH_PLACES, args: [log.id, limit] });
  return rows.map((row) => textAt(row, 0));
}

/** Arguments: log id, name, version. */
export const REMOVE_PLACES = "delete from feed_places where log = ?1 and name = ?2 and version <= ?3";

/** Part of a batch: the versions of these subjects have passed those of their places. */
export function placesPassed(
  log: LogAddress,
  passed: readonly (readonly [name: string, version: number])[],
): Statement[] {
  return passed.map(([name, version]) => ({
    sql: REMOVE_PLACES,
    args: [log.id, name, version],
  }));
}

/** Part of a batch: deletes the remaining places of these subjects, which are not needed any more. */
export function removePlaces(log: LogAddress, names: readonly string[]): Statement {
  return {
    sql: "delete from feed_places where log = ?1 and name in (select value from json_each(?2))",
    args: [log.id, JSON.stringify(names)],
  };
}
