import { integerAt, type Row, type Statement, textAt } from "../../storage/database.ts";
import { rowsParameters } from "../../storage/parameters.ts";
import { erasureStatements } from "../erase/erasures.ts";
import { type LogAddress, LOG_SPAN } from "../keys.ts";
import type { LogState } from "../log-state.ts";
import type { AssumedVersions } from "./assumptions.ts";
import type { PlacedEvent, PlacedEvents, SubjectState } from "./placement.ts";

/*
 * The SQL that appends to a log, the event log or a feed's: a hot path. Rows travel as JSON parameters.
 *
 * The statements carry the versions that were planned from what the process knows. If another process was faster, the index
 * on (subject, version) or on subject names refuses a row, the whole transaction rolls back, and the caller plans again.
 * Positions are counted from the head inside of the transaction, so they are gapless with any number of processes.
 *
 * Versions that were truncated are no longer in that index: a version that another process's truncation or erasure has put
 * below the subject's first is raised to it, so that it collides there. The event of the first version always exists,
 * because a subject's last event stays.
 *
 * Times are RFC 3339 in UTC with milliseconds, so that they sort as text.
 */

/** An event that a batch appends. */
interface AppendedEvent {
  readonly type: string;
  readonly time: string | null;
  readonly data: string | null;
  readonly extensions: string | null;
}

/** An event that keeps the recorded time of another log. `offset`: its position after the head; positions may stay empty. */
export interface DatedEvent extends AppendedEvent {
  readonly recorded: string;
  readonly offset: number;
}

/** An event with its place; `name` is null where the subject has an id. */
type EventRow = readonly [
  subjectId: number | null,
  name: string | null,
  version: number,
  type: string,
  time: string | null,
  data: string | null,
  extensions: string | null,
];

type DatedEventRow = readonly [...EventRow, recorded: string, offset: number];

/** `assumed`: null where the plan has read the subject; its assumed version, or -1 where `version` counts from any. */
type UnreadEventRow = readonly [...EventRow, assumed: number | null];

function eventRow({ subject, subjectId, version, event }: PlacedEvent<AppendedEvent>): EventRow {
  const { type, time, data, extensions } = event;
  return [subjectId, subjectId === null ? subject : null, version, type, time, data, extensions];
}

function datedEventRow({ subject, subjectId, version, event }: PlacedEvent<DatedEvent>): DatedEventRow {
  const { type, time, data, extensions, recorded, offset } = event;
  const name = subjectId === null ? subject : null;
  return [subjectId, name, version, type, time, data, extensions, recorded, offset];
}

function unreadEventRow(
  { subject, subjectId, version, event }: PlacedEvent<AppendedEvent>,
  unread: AssumedVersions,
): UnreadEventRow {
  const { type, time, data, extensions } = event;
  const assumed = unread.get(subject);
  const assumption = assumed === undefined ? null : (assumed ?? -1);
  return [subjectId, subjectId === null ? subject : null, version, type, time, data, extensions, assumption];
}

/**
 * SQL that inserts events, by expressions on a row (`entry`) and the log (`log`). Unless the rows are materialized, SQLite
 * writes the text of a row again for each expression on it.
 */
function insertEvents({ offset, recorded }: { readonly offset: string; readonly recorded: string }): string {
  return `
with entry as materialized (select key, value from json_each(?4))
insert into events (key, subject, version, type, time, recorded, data, extensions)
select ?2 + log.head + 1 + ${offset},
  coalesce(known.id, (select id from subjects where log = ?1 and name = entry.value ->> 1)),
  max(entry.value ->> 2, coalesce(known.first_version, 1)),
  entry.value ->> 3, entry.value ->> 4, ${recorded}, entry.value ->> 5, entry.value ->> 6
from logs as log cross join entry left join subjects as known on known.id = entry.value ->> 0
where log.id = ?1`;
}

/** Arguments: log id, base key (plus the number of events before these), now, JSON of `EventRow`s. */
export const INSERT_EVENTS = insertEvents({ offset: "entry.key", recorded: "max(?3, log.recorded)" });

/** Arguments: log id, base key, null, JSON of `DatedEventRow`s. */
export const INSERT_DATED_EVENTS = insertEvents({
  offset: "(entry.value ->> 8)",
  recorded: "entry.value ->> 7",
});

/** Version of a subject before the batch: the index on (subject, version) holds the key of each event. */
const VERSION_BEFORE = `coalesce((select version from events where subject = known.id
    and key <= log.id * ${LOG_SPAN} + log.head order by version desc limit 1), 0)`;

/**
 * {@link INSERT_EVENTS} for a plan that rests on subjects which it has not read. A subject that is erased, or is not at its
 * assumed version, becomes NULL, which the column refuses. Arguments: those of `INSERT_EVENTS`, with JSON of
 * `UnreadEventRow`s. It returns the places of the events, from which {@link appendedIn} learns the subjects.
 */
export const INSERT_UNREAD_EVENTS = `
with entry as materialized (select key, value, value ->> 7 as assumed, value ->> 2 as version from json_each(?4))
insert into events (key, subject, version, type, time, recorded, data, extensions)
select ?2 + log.head + 1 + entry.key,
  case when assumed is null or known.erased is null and (assumed < 0 or assumed = ${VERSION_BEFORE}) then known.id end,
  case when assumed < 0 then ${VERSION_BEFORE} + entry.version
    else max(entry.version, coalesce(known.first_version, 1)) end,
  entry.value ->> 3, entry.value ->> 4, max(?3, log.recorded), entry.value ->> 5, entry.value ->> 6
from logs as log cross join entry left join subjects as known on known.id = coalesce(entry.value ->> 0,
  (select id from subjects where log = ?1 and name = entry.value ->> 1))
where log.id = ?1 returning key, subject, version`;

/** Arguments: log id, JSON `[name, …]`. */
export const INSERT_SUBJECTS = `
insert into subjects (log, name) select ?1, value from json_each(?2) where true returning name, id`;

/** Adds the subjects that do not exist. Arguments: those of {@link INSERT_SUBJECTS}. */
export const ENSURE_SUBJECTS = `
insert into subjects (log, name) select ?1, value from json_each(?2) where true on conflict do nothing`;

/**
 * The head becomes NULL, which is refused with everything else, when the log has another identity than the plan was made
 * on: versions and subject ids that the process knew mean something else then. Arguments: log id, count of positions,
 * recorded time of the last event, identity (null: another statement of the batch proves it).
 */
export const ADVANCE_HEAD = `
update logs set head = case when ?4 is null or identity = ?4 then head + ?2 end, recorded = max(recorded, ?3)
where id = ?1 returning head, identity`;

/** When events were recorded: now, all of them, or each at a time of its own. */
type RecordedEvents =
  | {
      readonly now: string;
      readonly placed: PlacedEvents<SubjectState, AppendedEvent>;
      readonly unread?: AssumedVersions;
    }
  | { readonly now: null; readonly placed: PlacedEvents<SubjectState, DatedEvent>; readonly unread?: never };

/** The events and subjects that one batch appends to a log. */
export type LogAppend = RecordedEvents & {
  readonly log: LogAddress;
  /** Identity that the plan rests on; null: a statement of `fence` proves it. */
  readonly identity: string | null;
  /** Statements that refuse the batch when the plan is outdated. */
  readonly fence: readonly Statement[];
  /** Statements between the subjects and the events, and after the events. */
  readonly withSubjects: readonly Statement[];
  readonly withEvents: readonly Statement[];
};

function eventStatements({ log, now, placed, unread }: LogAppend): Statement[] {
  if (now === null)
    return rowsParameters(placed.events.map(datedEventRow)).map(({ json }) => ({
      sql: INSERT_DATED_EVENTS,
      args: [log.id, log.base, null, json],
    }));
  const [sql, rows] =
    unread === undefined || unread.size === 0
      ? [INSERT_EVENTS, placed.events.map(eventRow)]
      : [INSERT_UNREAD_EVENTS, placed.events.map((placedEvent) => unreadEventRow(placedEvent, unread))];
  return rowsParameters(rows).map(({ json, offset }) => ({
    sql,
    args: [log.id, log.base + offset, now, json],
  }));
}

/** Recorded time of the last event. */
function lastRecorded({ now, placed }: LogAppend): string {
  return now ?? placed.events.at(-1)?.event.recorded ?? "";
}

/** Subjects whose version the plan does not assume. */
function unversionedSubjects(unread: AssumedVersions = new Map()): string[] {
  return Array.from(unread).flatMap(([name, assumed]) => (assumed === null ? [name] : []));
}

/** The batch that writes an append. Without events, it writes only subjects and `withSubjects`. */
export function appendBatch(append: LogAppend): Statement[] {
  const { log, placed, fence, withSubjects, withEvents, identity, unread } = append;
  const { events, positions, newSubjects } = placed;
  const statements: Statement[] = [...fence];
  if (newSubjects.length > 0)
    statements.push({ sql: INSERT_SUBJECTS, args: [log.id, JSON.stringify(newSubjects)] });
  const unversioned = unversionedSubjects(unread);
  if (unversioned.length > 0)
    statements.push({ sql: ENSURE_SUBJECTS, args: [log.id, JSON.stringify(unversioned)] });
  statements.push(...withSubjects);
  if (events.length === 0) return statements;
  statements.push(...eventStatements(append), ...withEvents, ...erasureStatements(log, placed));
  statements.push({ sql: ADVANCE_HEAD, args: [log.id, positions, lastRecorded(append), identity] });
  return statements;
}

export interface WrittenAppend {
  /** Ids of the new and unread subjects, by name. */
  readonly ids: ReadonlyMap<string, number>;
  /** Versions before the batch of the subjects where the plan counts from 0. */
  readonly versionsBefore: ReadonlyMap<string, number>;
  /** The log after the batch; null when it appended no event. */
  readonly log: LogState | null;
}

/** Adds the unread subjects of a batch to what it has written, from the places that it has returned. */
function learnUnread(
  { log, placed, unread = new Map() }: LogAppend,
  {
    ids,
    versionsBefore,
    head,
  }: { ids: Map<string, number>; versionsBefore: Map<string, number>; head: number },
  places: readonly Row[],
): void {
  const first = log.base + head - placed.positions + 1;
  for (const place of places) {
    const event = placed.events[integerAt(place, 0) - first];
    const assumed = event === undefined ? undefined : unread.get(event.subject);
    if (event === undefined || assumed === undefined) continue;
    ids.set(event.subject, integerAt(place, 1));
    if (assumed === null) versionsBefore.set(event.subject, integerAt(place, 2) - event.version);
  }
}

/** Reads the rows that the statements of {@link appendBatch} returned. */
export function appendedIn(append: LogAppend, rows: readonly (readonly Row[])[]): WrittenAppend {
  const { placed, fence, withSubjects, unread } = append;
  const { newSubjects, events } = placed;
  const inserted = newSubjects.length > 0 ? (rows[fence.length] ?? []) : [];
  const ids = new Map(inserted.map((row) => [textAt(row, 0), integerAt(row, 1)]));
  const versionsBefore = new Map<string, number>();
  const last = rows.at(-1)?.[0];
  if (events.length === 0) return { ids, versionsBefore, log: null };
  const head = integerAt(last, 0);
  if (unread !== undefined && unread.size > 0) {
    const before = [newSubjects, unversionedSubjects(unread)].filter(({ length }) => length > 0).length;
    const from = fence.length + before + withSubjects.length;
    const places: Row[] = [];
    for (const returned of rows.slice(from)) if (places.length < events.length) places.push(...returned);
    learnUnread(append, { ids, versionsBefore, head }, places);
  }
  return { ids, versionsBefore, log: { head, identity: textAt(last, 1) } };
}
