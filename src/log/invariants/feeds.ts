import { type Invariant, isNotJson, isNotJsonOf, isNotOwnTime, RESTORE } from "./invariant.ts";

const REBUILD = "Build a new version of the feed, or restore the last good backup with `kilde restore`.";

/** Any log may be a feed's source; the database does not say which one is. */
const HIGHEST_HEAD = "(select max(head) from logs)";

/** The rules of feeds and of what is stored of their subjects. */
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
        or ${isNotJsonOf("object", "failure")} or ${isNotJson("schemas")} or version < 1`,
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
];
