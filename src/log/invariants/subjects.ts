import { ERASED_TYPE } from "../../core/event.ts";
import { type Invariant, isUnusableName, REPAIR, RESTORE } from "../../storage/invariant.ts";

/** SQL: whether a subject is of the window that is examined. */
export const WITHIN = "subject.id >= ?1 and subject.id < ?2";

/** The rules name the index, so that without it they fail at once and do not read the table for each subject. */
export const VERSIONS = "events indexed by events_subject_version";

const LAST_VERSION = `(select max(version) from ${VERSIONS} where subject = subject.id)`;

/** The rules of subjects and of their versions. */
export const SUBJECT_INVARIANTS: readonly Invariant[] = [
  {
    name: "versions are gapless",
    over: "subjects",
    remedy: RESTORE,
    sql: `select name || ': has ' || count || ' events from version ' || first || ' to ' || last || ', first version '
        || first_version as detail
      from (select subject.name, subject.first_version, count(*) as count, min(event.version) as first, max(event.version) as last
        from subjects as subject cross join events as event indexed by events_subject_version on event.subject = subject.id
        where ${WITHIN} and event.version >= subject.first_version
        group by subject.id)
      where first <> first_version or count <> last - first + 1`,
  },
  {
    name: "versions are in order of position",
    over: "subjects",
    remedy: RESTORE,
    sql: `select subject.name || ': version ' || event.version || ' is not after the one before it' as detail
      from subjects as subject cross join events as event indexed by events_subject_version on event.subject = subject.id
      where ${WITHIN} and event.key <= (select key from ${VERSIONS}
        where subject = event.subject and version < event.version order by version desc limit 1)`,
  },
  {
    name: "first versions are those of an event",
    over: "subjects",
    remedy: RESTORE,
    sql: `select subject.name || ': its first version is ' || subject.first_version || ', its last ' || coalesce(${LAST_VERSION}, 'none') as detail
      from subjects as subject
      where ${WITHIN} and (typeof(subject.first_version) <> 'integer' or subject.first_version < 1
        or subject.first_version > max(1, coalesce(${LAST_VERSION}, 0)))`,
  },
  {
    name: "truncated events wait for the sweep",
    over: "subjects",
    remedy: REPAIR,
    sql: `select subject.name || ': has events below its first version, ' || subject.first_version || ', that nothing will delete' as detail
      from subjects as subject
      where ${WITHIN} and subject.sweep is not 1
        and exists (select 1 from ${VERSIONS} where subject = subject.id and version < subject.first_version)`,
    repair: [
      `update subjects set sweep = 1 where sweep is not 1
        and exists (select 1 from events where subject = subjects.id and version < subjects.first_version)`,
    ],
  },
  {
    name: "erased subjects end with their tombstone",
    over: "subjects",
    remedy: RESTORE,
    sql: `select subject.name || ': is marked as erased at version ' || subject.erased || ', but its last event is version '
        || event.version || ' of type ' || event.type as detail
      from subjects as subject cross join events as event indexed by events_subject_version
        on event.subject = subject.id and event.version = ${LAST_VERSION}
      where ${WITHIN} and subject.erased is not null and (subject.erased <> event.version or event.type <> '${ERASED_TYPE}')`,
  },
  {
    name: "names of subjects are names",
    over: "subjects",
    remedy: RESTORE,
    sql: `select 'subject ' || subject.id || ': name ' || quote(subject.name) as detail from subjects as subject
      where ${WITHIN} and ${isUnusableName("subject.name")}`,
  },
];
