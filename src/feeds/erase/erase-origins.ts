import { groupBy } from "../../core/group-by.ts";
import { type Database, integerAt, type Statement, textAt } from "../../storage/database.ts";
import type { ErasedRange } from "../../log/erase/erased-ranges.ts";
import type { VersionRange } from "../../log/erase/generations.ts";
import type { LogAddress } from "../../log/keys.ts";
import { NOTHING_PUBLISHED } from "../project/commit.ts";
import {
  type ErasingStep,
  type ErasingWork,
  rangeApplied,
  type ErasureReport,
  reportPlan,
  STEP_EVENTS,
  sweepAgain,
  wipe,
  writeErasing,
} from "./erasing-work.ts";
import { beginRevisions, type BegunRevision } from "../lifecycle/revisions.ts";
import { readFeedSubjects, UNKNOWN_SUBJECT } from "../subjects.ts";

/** Arguments: log id, source's subject id, first and last version, count. */
export const SELECT_ERASED_ORIGINS = `
select origin.subject, subject.name, origin.position, origin.version, origin.events,
  coalesce(origin.place, origin.position)
from feed_origins as origin cross join subjects as subject on subject.id = origin.subject and subject.log = ?1
where origin.source = ?2 and origin.source_version >= ?3 and origin.source_version <= ?4
order by origin.source_version limit ?5`;

/** Arguments: JSON `[[subject id, position], …]`. */
export const DELETE_ORIGINS = `
delete from feed_origins where (subject, position) in (select value ->> 0, value ->> 1 from json_each(?1))`;

/** A source event that was erased, and the versions that came from it. */
interface ErasedOrigin {
  readonly subjectId: number;
  readonly subject: string;
  readonly position: number;
  readonly place: number;
  /** Version before them. */
  readonly version: number;
  readonly events: number;
}

function isBefore(one: ErasedOrigin, other: ErasedOrigin): boolean {
  return one.place < other.place || (one.place === other.place && one.position < other.position);
}

async function erasedOrigins(
  database: Database,
  log: LogAddress,
  range: ErasedRange,
): Promise<ErasedOrigin[]> {
  const { subjectId, low, high } = range;
  const args = [log.id, subjectId, low, high, STEP_EVENTS];
  const rows = await database.read({ sql: SELECT_ERASED_ORIGINS, args });
  return rows.map((row) => ({
    subjectId: integerAt(row, 0),
    subject: textAt(row, 1),
    position: integerAt(row, 2),
    version: integerAt(row, 3),
    events: integerAt(row, 4),
    place: integerAt(row, 5),
  }));
}

/** Erases some of the events that came from an erased range, or, in a stateful feed, begins revisions of their subjects. */
export async function eraseOrigins(work: ErasingWork, range: ErasedRange): Promise<ErasingStep> {
  const { database } = work.deps;
  const { feed, log } = work.registered;
  const found = await erasedOrigins(database, log, range);
  const states = await readFeedSubjects(database, log, [...new Set(found.map(({ subject }) => subject))]);
  const stateOf = (name: string) => states.get(name) ?? UNKNOWN_SUBJECT;
  // An erasure of the whole subject has already removed its earlier events.
  const live = found.filter(({ subject, place }) => place > stateOf(subject).reset);
  const bySubject = groupBy(live, ({ subject }) => subject);
  const erasing: Statement[] = [
    {
      sql: DELETE_ORIGINS,
      args: [JSON.stringify(found.map(({ subjectId, position }) => [subjectId, position]))],
    },
  ];
  if (found.length < STEP_EVENTS) erasing.push(rangeApplied(log, range));
  if (feed.stateful) {
    const begun = [...bySubject.values()].map((each): BegunRevision => {
      const first = each.reduce((least, one) => (isBefore(one, least) ? one : least));
      return { subjectId: first.subjectId, since: first.place, low: first.version };
    });
    // Their states are made of erased events.
    if (begun.length > 0) erasing.push(beginRevisions(log, range, begun), sweepAgain(range));
    const kept = [...bySubject.keys()];
    const after = new Map(kept.map((name) => [name, { ...stateOf(name), state: null }]));
    return writeErasing(work, { ...NOTHING_PUBLISHED, after, kept }, erasing);
  }
  const published = live.filter(({ events }) => events > 0);
  const reports = [...groupBy(published, ({ subject }) => subject)].map(([subject, each]): ErasureReport => ({
    cause: range,
    subject,
    state: stateOf(subject),
    versions: each.map(({ version, events }) => [version + 1, version + events] as const),
  }));
  const ranges = published.map(({ subjectId, version, events }): VersionRange => [
    subjectId,
    version + 1,
    version + events,
  ]);
  return writeErasing(work, reportPlan(reports), [...erasing, ...wipe(log, range, ranges)]);
}
