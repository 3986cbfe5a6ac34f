import { type Database, integerAt, textAt } from "../../storage/database.ts";
import type { LogAddress } from "../keys.ts";

/*
 * The erased ranges of a log, for the feeds that are projected from it. The transaction that erases versions of a subject
 * also records their range, so that a feed applies every erasure to its published events, however far it has read by then.
 */

/** Versions of one subject that were erased together. */
export interface ErasedRange {
  /** Grows in the order of commits. */
  readonly id: number;
  readonly subjectId: number;
  readonly subject: string;
  readonly low: number;
  readonly high: number;
  /** Position in the same log of the event that reports the erasure; 0 while that event is still to come. */
  readonly position: number;
  /** Position in the event log of the tombstone that caused the erasure. */
  readonly origin: number;
  /** Recorded time of that tombstone. */
  readonly recorded: string;
}

/**
 * Part of a batch, after its events: everything of some subjects below a version was erased. Position and time are those
 * of the event with that version. Arguments: log id, base key, JSON `[[name, version], …]`.
 */
export const RECORD_ERASED_SUBJECTS = `
insert into erased_ranges (log, subject, low, high, position, origin, recorded)
select ?1, subject.id, 1, event.version - 1, event.key - ?2,
  iif(?1 = 0, event.key - ?2, coalesce(event.extensions ->> '$.projectedfrom', 0)), event.recorded
from json_each(?3) as erased
cross join subjects as subject on subject.log = ?1 and subject.name = erased.value ->> 0
cross join events as event on event.subject = subject.id and event.version = erased.value ->> 1`;

/** Part of a batch that erases versions in place. Arguments: log id, origin, recorded, JSON `[[subject id, low, high], …]`. */
export const RECORD_ERASED_IN_PLACE = `
insert into erased_ranges (log, subject, low, high, position, origin, recorded)
select ?1, value ->> 0, value ->> 1, value ->> 2, 0, ?2, ?3 from json_each(?4)`;

/** Arguments: log id, range id, count. */
export const NEXT_ERASED_RANGES = `
select erased.id, erased.subject, coalesce(subject.name, ''), erased.low, erased.high, erased.position, erased.origin,
  erased.recorded
from erased_ranges as erased left join subjects as subject on subject.id = erased.subject
where erased.log = ?1 and erased.id > ?2 order by erased.id limit ?3`;

/** The first ranges of a log that were recorded after another, in order. */
export async function nextErasedRanges(
  database: Database,
  log: LogAddress,
  after: number,
  limit: number,
): Promise<ErasedRange[]> {
  const rows = await database.read({ sql: NEXT_ERASED_RANGES, args: [log.id, after, limit] });
  return rows.map((row) => ({
    id: integerAt(row, 0),
    subjectId: integerAt(row, 1),
    subject: textAt(row, 2),
    low: integerAt(row, 3),
    high: integerAt(row, 4),
    position: integerAt(row, 5),
    origin: integerAt(row, 6),
    recorded: textAt(row, 7),
  }));
}
