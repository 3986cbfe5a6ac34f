import { ERASED_TYPE, EVENT_ERASED_TYPE } from "../../core/event.ts";
import {
  type Database,
  integerAt,
  type Row,
  type Statement,
  textAt,
  type Value,
} from "../../storage/database.ts";
import type { LogAddress } from "../../log/keys.ts";
import { type EventFilter, type EventSelection, selected } from "../../log/read/pages.ts";
import { eventText, LOG_IDENTITY, renderingArgs } from "../../log/read/render.ts";

/* The SQL that reads events to deliver, a hot path: a row for each event, with its wire text. */

/** An event to deliver. */
export interface DeliveryEvent {
  readonly position: number;
  readonly subject: number;
  readonly name: string;
  readonly version: number;
  /** Version of the previous event of the subject that the subscription selects; 0 when there is none. */
  readonly previous: number;
  /** Identity of the log that the event was read from. */
  readonly identity: string;
  /**
   * Whether the same position may have been delivered with other bytes: it is a tombstone, or an erased event of a
   * feed, which may replace an event, or the event that `previous` named was removed.
   */
  readonly altered: boolean;
  /** The event as JSON. */
  readonly text: string;
  /** Length of the text. */
  readonly characters: number;
}

/**
 * Without a filter by type this is the version before, also when that was truncated: a receiver that never had it
 * detects the gap.
 */
function previousVersion({ types }: EventFilter, bind: (value: Value) => string): string {
  if (types === undefined) return "event.version - 1";
  return `coalesce((select before.version from events as before
    where before.subject = event.subject and before.version < event.version
      and before.version >= subject.first_version
      and before.type in (select value from json_each(${bind(JSON.stringify(types))}))
    order by before.version desc limit 1), 0)`;
}

/** Whether an event that `previous` would have named was erased in its place, which happens in feeds only. */
function isAfterErased(log: LogAddress, { types }: EventFilter, previous: string): string {
  if (log.id === 0 || types === undefined) return "0";
  return `exists (select 1 from events as gone where gone.subject = event.subject
    and gone.version < event.version and gone.version > ${previous} and gone.type = '${EVENT_ERASED_TYPE}')`;
}

const columns = (log: LogAddress, filter: EventFilter, previous: string, text = eventText()) =>
  `event.key - ?1, event.subject, subject.name, event.version, ${previous}, ${text}, ${LOG_IDENTITY},
  event.type in ('${ERASED_TYPE}', '${EVENT_ERASED_TYPE}') or ${isAfterErased(log, filter, previous)}
    or (subject.first_version > 1 and ${previous} = 0)`;

/** Selects events; the text of one with more than `mostBytes` of content is NULL. `mostBytes` null: no limit. */
export function deliveryStatement(
  log: LogAddress,
  selection: EventSelection,
  mostBytes: number | null,
): Statement {
  const args = renderingArgs(log);
  const bind = (value: Value) => `?${args.push(value)}`;
  const previous = previousVersion(selection.filter, bind);
  const bound = bind(mostBytes ?? Number.MAX_SAFE_INTEGER);
  const text = `case when octet_length(event.data) > ${bound} or octet_length(event.extensions) > ${bound} then null
    else ${eventText()} end`;
  return {
    sql: `select ${columns(log, selection.filter, previous, text)} ${selected(log, selection, args)}`,
    args,
  };
}

/** Selects the events at positions, in their order, that still exist and have a type that the filter selects. */
export function positionsStatement(
  log: LogAddress,
  filter: EventFilter,
  positions: readonly number[],
): Statement {
  const args = renderingArgs(log);
  const bind = (value: Value) => `?${args.push(value)}`;
  const previous = previousVersion(filter, bind);
  const { types } = filter;
  const ofType =
    types === undefined
      ? ""
      : `and event.type in (select value from json_each(${bind(JSON.stringify(types))}))`;
  const sql = `select ${columns(log, filter, previous)}
    from json_each(${bind(JSON.stringify(positions))}) as place
    cross join events as event on event.key = ?1 + place.value
    cross join subjects as subject on subject.id = event.subject
    where event.version >= subject.first_version ${ofType}`;
  return { sql, args };
}

/** Returns one row: 1 when a range of positions contains a selected event. */
export function anyStatement(
  log: LogAddress,
  filter: EventFilter,
  { after, upTo }: { readonly after: number; readonly upTo: number },
): Statement {
  const args: Value[] = [];
  const range = { source: "log", after, before: upTo + 1, direction: "forwards", limit: 1 } as const;
  return { sql: `select exists (select 1 ${selected(log, { ...range, filter }, args)})`, args };
}

function deliveryEvent(row: Row): DeliveryEvent {
  const text = textAt(row, 5);
  return {
    position: integerAt(row, 0),
    subject: integerAt(row, 1),
    name: textAt(row, 2),
    version: integerAt(row, 3),
    previous: integerAt(row, 4),
    identity: textAt(row, 6),
    altered: integerAt(row, 7) === 1,
    text,
    characters: text.length,
  };
}

/** Runs one of the statements above. Null: an event came without its text, which is too large. */
export async function readDeliveries(
  database: Database,
  statement: Statement,
): Promise<DeliveryEvent[] | null> {
  const rows = await database.read(statement);
  return rows.some((row) => row[5] === null) ? null : rows.map(deliveryEvent);
}
