import { OPERATIONS_PATH } from "../administration/operations-log.ts";
import { EVENT_LOG_ADDRESS, LOG_SPAN } from "../log/keys.ts";
import { renameLogs } from "../log/invariants/log-names.ts";
import { VERSIONS, WITHIN } from "../log/invariants/subjects.ts";
import { type Invariant, REPAIR, RESTORE } from "../storage/invariant.ts";

/** SQL condition for a log that is neither the event log nor a feed's: there is one, the log of administration. */
const IS_OTHER = `logs.id <> ${EVENT_LOG_ADDRESS.id} and not exists (select 1 from feeds where log = logs.id)`;

/** SQL: the path of every log. */
const PATHS = `select ${EVENT_LOG_ADDRESS.id} as log, '${EVENT_LOG_ADDRESS.name}' as path
  union all select log, '${OPERATIONS_PATH}' from (select min(id) as log, count(*) as others from logs where ${IS_OTHER})
    where others = 1
  union all select log, '/feeds/' || name || '/v' || version from feeds`;

/** The rules of logs whose violations only the feeds show: which logs there may be, and which are being emptied. */
export const FEED_LOG_INVARIANTS: readonly Invariant[] = [
  {
    name: "logs have their names",
    remedy: REPAIR,
    sql: `select 'log ' || log.id || ': is called ' || quote(log.name) || ', not ' || wanted.path as detail
      from logs as log join (${PATHS}) as wanted on wanted.log = log.id where log.name is not wanted.path
      union all select 'the event log is not there' where not exists (select 1 from logs where id = ${EVENT_LOG_ADDRESS.id})`,
    repair: [renameLogs(PATHS)],
  },
  {
    name: "logs are of a feed",
    remedy: RESTORE,
    sql: `select 'log ' || id || ': ' || quote(name) || ' is the log of no feed' as detail from logs
      where ${IS_OTHER} and name <> '${OPERATIONS_PATH}' and (select count(*) from logs where ${IS_OTHER}) > 1`,
  },
  {
    // But for those of which a projection only keeps a state so far.
    name: "subjects have events",
    over: "subjects",
    remedy: RESTORE,
    sql: `select subject.name || ': has no event' as detail from subjects as subject
      where ${WITHIN} and not exists (select 1 from ${VERSIONS} where subject = subject.id)
        and not exists (select 1 from feed_subjects where subject = subject.id)
        and not exists (select 1 from feeds where log = subject.log and status in ('retiring', 'rebuilding'))`,
  },
  {
    // Every event raises one version by one and the head by one, so that a lost or doubled position shows here.
    name: "positions are gapless",
    remedy: RESTORE,
    sql: `select log.name || ': the head is ' || log.head || ', but the versions of its subjects add up to ' || total as detail
      from (select logs.*, coalesce(feeds.cleared, 0) as cleared, coalesce((select sum(
            (select max(version) from ${VERSIONS} where subject = subjects.id)) from subjects where subjects.log = logs.id), 0) as total
          from logs left join feeds on feeds.log = logs.id
          where coalesce(feeds.status, '') not in ('retiring', 'rebuilding')) as log
      where log.head <> log.cleared + total`,
  },
  {
    name: "heads are the last positions",
    remedy: RESTORE,
    sql: `select log.name || ': the head is ' || log.head || ', but the last event is at ' || max(coalesce(last, 0), 0) as detail
      from (select logs.*, coalesce(feeds.cleared, 0) as cleared,
            (select key from events where key < (logs.id + 1) * ${LOG_SPAN} order by key desc limit 1) - logs.id * ${LOG_SPAN} as last
          from logs left join feeds on feeds.log = logs.id
          where coalesce(feeds.status, '') not in ('retiring', 'rebuilding')) as log
      where log.head <> max(coalesce(last, 0), log.cleared)`,
  },
];
