import {
  type Invariant,
  isNotJson,
  isNotJsonOf,
  isNotOwnTime,
  REPAIR,
  RESTORE,
} from "../storage/invariant.ts";

const REBUILD = "Build a new version of the feed, or restore the last good backup with `kilde restore`.";

/** Any log may be a feed's source; the database does not record which one is. */
const HIGHEST_HEAD = "(select max(head) from logs)";

/** The rules of feeds and of the stored data of their subjects. */
export const FEED_INVARIANTS: readonly Invariant[] = [
  {
    name: "feeds are within their source",
    remedy: REBUILD,
    sql: `select log.name || ': its cursor is ' || feed.cursor || ', but no log goes further than ' || ${HIGHEST_HEAD} as detail
      from feeds as feed join logs as log on log.id = feed.log
      where feed.cursor not between 0 and ${HIGHEST_HEAD} or feed.target not between 0 and ${HIGHEST_HEAD}
        or feed.cleared not between 0 and log.head`,
  },
  {
    name: "feeds have a record that can be read",
    remedy: REBUILD,
    sql: `select 'feed ' || quote(name) || ' v' || version || ': status ' || quote(status) || ', started ' || quote(started)
        || ', failure ' || quote(failure) as detail from feeds
      where status not in ('building', 'live', 'halted', 'rebuilding', 'retiring', 'retired') or ${isNotOwnTime("started")}
        or ${isNotJsonOf("object", "failure")} or ${isNotJson("schemas")} or ${isNotJsonOf("object", "definition")}
        or version < 1 or hydrations < 0 or promised < 0`,
  },
  {
    name: "events ahead are of a feed",
    remedy: REBUILD,
    sql: `select log.name || ': position ' || ahead.position || ' comes from position ' || ahead.origin as detail
      from feed_ahead as ahead join logs as log on log.id = ahead.log
      where ahead.position not between 1 and log.head or ahead.origin not between 1 and (select head from logs where id = 0)
        or not exists (select 1 from feeds where log = ahead.log)`,
  },
  {
    name: "contracts are of feeds",
    remedy: REPAIR,
    sql: `select 'revision ' || revision || ' of the contract of log ' || log as detail from feed_contracts
      where revision < 1 or ${isNotJson("schemas")} or not exists (select 1 from feeds where log = feed_contracts.log)`,
    repair: [
      `delete from feed_contracts where revision < 1 or ${isNotJson("schemas")} or not exists (select 1 from feeds where log = feed_contracts.log)`,
    ],
  },
  {
    name: "subjects of feeds have a state that can be read",
    remedy: REBUILD,
    sql: `select subject.name || ': its state is not JSON, or it is projected up to ' || kept.projected || ', which no log reaches' as detail
      from feed_subjects as kept join subjects as subject on subject.id = kept.subject
      where ${isNotJson("kept.state")} or kept.projected not between 0 and ${HIGHEST_HEAD}`,
  },
  {
    name: "states are of subjects of feeds",
    remedy: RESTORE,
    sql: `select subject.name || ': has the state of a feed, but is of log ' || subject.log as detail
      from feed_subjects as kept join subjects as subject on subject.id = kept.subject
      where not exists (select 1 from feeds where log = subject.log)`,
  },
  {
    name: "origins belong to published events",
    remedy: REBUILD,
    sql: `select subject.name || ': ' || origin.events || ' events after version ' || origin.version
        || ' have the recorded origin ' || origin.position || ' of the source' as detail
      from feed_origins as origin join subjects as subject on subject.id = origin.subject
      where (origin.version < 0 or origin.events < 0 or origin.position not between 1 and ${HIGHEST_HEAD}
        or not exists (select 1 from feeds where log = subject.log)
        or origin.version + origin.events > coalesce((select max(version) from events where subject = origin.subject), 0))
        and not exists (select 1 from feeds where log = subject.log and status in ('retiring', 'rebuilding'))`,
  },
  {
    name: "erased ranges are of their log",
    remedy: RESTORE,
    sql: `select log.name || ': the versions ' || erased.low || ' to ' || erased.high || ' of subject ' || erased.subject
        || ' were erased at position ' || erased.position as detail
      from erased_ranges as erased join logs as log on log.id = erased.log
      where erased.low < 1 or erased.high < erased.low - 1 or erased.position not between 0 and log.head
        or erased.origin < 0 or ${isNotOwnTime("erased.recorded")}`,
  },
  {
    name: "revisions are of subjects of their feed",
    remedy: REBUILD,
    sql: `select subject.name || ': is published again from version ' || revision.low || ', of log ' || revision.log as detail
      from feed_revisions as revision join subjects as subject on subject.id = revision.subject
      where revision.log <> subject.log or revision.low < 0 or revision.wiped < revision.low
        or ${isNotOwnTime("revision.recorded")}`,
  },
  {
    name: "places are of feeds that are built",
    remedy: REPAIR,
    sql: `select log.name || ': keeps a place for version ' || place.version || ' of ' || place.name as detail
      from feed_places as place join logs as log on log.id = place.log
      where place.version < 1 or not exists (select 1 from feeds where log = place.log and status <> 'live')`,
    repair: [
      "delete from feed_places where version < 1 or not exists (select 1 from feeds where log = feed_places.log and status <> 'live')",
    ],
  },
];
