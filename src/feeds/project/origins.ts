import { EVENT_ERASED_TYPE } from "../../core/event.ts";
import type { Statement } from "../../storage/database.ts";
import type { LogAddress } from "../../log/keys.ts";
import { rowsParameters } from "../../storage/parameters.ts";
import type { OriginRow } from "./plan.ts";

/*
 * The source event of each event of a feed. The statements prove that the source event is still there: a plan
 * that was made of an event which has been erased since is refused with everything else in its batch, so that every
 * erasure finds all events that came from the erased ones.
 */

/** Arguments: log id, base key of the source, JSON of `OriginRow`s. */
const SELECT_ORIGINS = `
with entry as materialized (select value from json_each(?3))
select coalesce(entry.value ->> 1, (select id from subjects where log = ?1 and name = entry.value ->> 2)),
  entry.value ->> 0, event.subject, event.version, entry.value ->> 3, entry.value ->> 4, entry.value ->> 5
from entry
left join events as event on event.key = ?2 + (entry.value ->> 0) and event.type <> '${EVENT_ERASED_TYPE}'
  and event.version >= (select first_version from subjects where id = event.subject)
where true`;

const INSERT = "insert into feed_origins (subject, position, source, source_version, version, events, place)";

export const INSERT_ORIGINS = `${INSERT} ${SELECT_ORIGINS}`;

/** For events that are published again: the versions change. */
export const MOVE_ORIGINS = `${INSERT} ${SELECT_ORIGINS}
on conflict (subject, position) do update set version = excluded.version, events = excluded.events`;

/** For events that were published before origins were tracked: some may be known by now. */
export const TRACE_ORIGINS = `${INSERT} ${SELECT_ORIGINS} on conflict (subject, position) do nothing`;

/** Part of the batch that publishes. */
export function originStatements(
  log: LogAddress,
  source: LogAddress,
  rows: readonly OriginRow[],
  sql: string = INSERT_ORIGINS,
): Statement[] {
  if (rows.length === 0) return [];
  return rowsParameters(rows).map(({ json }) => ({ sql, args: [log.id, source.base, json] }));
}
