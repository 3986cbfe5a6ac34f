import { type Database, integerAt, type Row, textAt } from "../storage/database.ts";
import type { SubjectState } from "../log/append/placement.ts";
import type { LogAddress } from "../log/keys.ts";
import { type Place, readPlaces } from "./project/places.ts";

/** The state of one subject of a feed, as the projection knows it. It is also stored when it has a state and no events. */
export interface FeedSubject extends SubjectState {
  /** JSON of the folded state. */
  readonly state: string | null;
  /** Source position up to which it was hydrated. */
  readonly projected: number;
  /** Place of the last event that erased it as a whole, where origins are tracked. */
  readonly reset: number;
  /** Events that get their versions back while the feed is built again, in order of version. */
  readonly places: readonly Place[];
}

export const UNKNOWN_SUBJECT: FeedSubject = {
  stored: false,
  id: null,
  version: 0,
  erased: false,
  state: null,
  projected: 0,
  reset: 0,
  places: [],
};

/** Arguments: log id, JSON `[name, …]`. */
export const SELECT_FEED_SUBJECTS = `
select name.value, subject.id, subject.erased is not null,
  coalesce((select version from events where subject = subject.id order by version desc limit 1), 0),
  kept.state, coalesce(kept.projected, 0), coalesce(kept.reset, 0)
from json_each(?2) as name cross join subjects as subject on subject.log = ?1 and subject.name = name.value
left join feed_subjects as kept on kept.subject = subject.id`;

function subjectOf(row: Row): FeedSubject {
  const state = row[4];
  return {
    stored: true,
    id: integerAt(row, 1),
    erased: integerAt(row, 2) === 1,
    version: integerAt(row, 3),
    state: typeof state === "string" ? state : null,
    projected: integerAt(row, 5),
    reset: integerAt(row, 6),
    places: [],
  };
}

/** Those of the named subjects that there are, in one query. */
export async function readFeedSubjects(
  database: Database,
  log: LogAddress,
  names: readonly string[],
): Promise<Map<string, FeedSubject>> {
  if (names.length === 0) return new Map();
  const rows = await database.read({ sql: SELECT_FEED_SUBJECTS, args: [log.id, JSON.stringify(names)] });
  return new Map(rows.map((row) => [textAt(row, 0), subjectOf(row)]));
}

/** The same, with the places that are kept for them while the feed is built again; those that have only places, too. */
export async function readSubjectsWithPlaces(
  database: Database,
  log: LogAddress,
  names: readonly string[],
): Promise<Map<string, FeedSubject>> {
  const subjects = await readFeedSubjects(database, log, names);
  if (names.length === 0) return subjects;
  for (const [name, places] of await readPlaces(database, log, names))
    subjects.set(name, { ...(subjects.get(name) ?? UNKNOWN_SUBJECT), places });
  return subjects;
}
