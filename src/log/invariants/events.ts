import { ERASED_TYPE } from "../../core/event.ts";
import { EVENT_LOG_ADDRESS, LOG_SPAN } from "../keys.ts";
import { MOST_CORRELATION_LENGTH } from "../read/correlations.ts";
import {
  type Invariant,
  isNotJson,
  isNotJsonOf,
  isNotOwnTime,
  isNotTime,
  isUnusableName,
  REPAIR,
  RESTORE,
} from "../../storage/invariant.ts";

const HAS_LINE_BREAK = "(instr(event.data, char(10)) > 0 or instr(event.data, char(13)) > 0)";
const WITHIN = "event.key >= ?1 and event.key < ?2";

/** SQL condition: the correlation of an event up to the position that is indexed is not in `event_correlations`. */
const LACKS_CORRELATION = `event.key <= coalesce((select position from correlation_progress where log = ${EVENT_LOG_ADDRESS.id}), 0)
  and case when event.extensions is null or ${isNotJson("event.extensions")} then 0
    else length(event.extensions ->> '$.correlationid') <= ${MOST_CORRELATION_LENGTH} end
  and not exists (select 1 from event_correlations where correlation = event.extensions ->> '$.correlationid' and position = event.key)`;

/** The rules of single events and of their neighbors. */
export const EVENT_INVARIANTS: readonly Invariant[] = [
  {
    name: "events have a position in a log",
    over: "events",
    remedy: RESTORE,
    sql: `select 'key ' || event.key || ': position ' || (event.key % ${LOG_SPAN}) || ' of log ' || (event.key / ${LOG_SPAN})
        || iif(log.id is null, ', which is not there', ', whose head is ' || log.head) as detail
      from events as event left join logs as log on log.id = event.key / ${LOG_SPAN}
      where ${WITHIN} and (log.id is null or event.key % ${LOG_SPAN} not between 1 and log.head)`,
  },
  {
    name: "events have a subject",
    over: "events",
    remedy: RESTORE,
    sql: `select 'key ' || event.key || ': its subject, ' || event.subject || ', is not there' as detail from events as event
      where ${WITHIN} and not exists (select 1 from subjects where id = event.subject)`,
  },
  {
    name: "events are in their subject's log",
    over: "events",
    remedy: RESTORE,
    sql: `select 'key ' || event.key || ': its subject ' || subject.name || ' is of log ' || subject.log as detail
      from events as event cross join subjects as subject on subject.id = event.subject
      where ${WITHIN} and event.key / ${LOG_SPAN} <> subject.log`,
  },
  {
    name: "events have a version",
    over: "events",
    remedy: RESTORE,
    sql: `select 'key ' || event.key || ': version ' || event.version as detail from events as event
      where ${WITHIN} and (typeof(event.version) <> 'integer' or event.version < 1)`,
  },
  {
    name: "types of events are names",
    over: "events",
    remedy: RESTORE,
    sql: `select 'key ' || event.key || ': type ' || quote(event.type) as detail from events as event
      where ${WITHIN} and ${isUnusableName("event.type")}`,
  },
  {
    name: "data of events is JSON",
    over: "events",
    remedy: RESTORE,
    sql: `select 'key ' || event.key || ': its data is not JSON' as detail from events as event
      where ${WITHIN} and event.data <> '' and ${isNotJson("event.data")}`,
  },
  {
    // Server-sent events and NDJSON rest on it. Those that an older version stored verbatim may span lines.
    name: "data of events is on one line",
    over: "events",
    remedy: REPAIR,
    sql: `select 'key ' || event.key || iif(event.data = '', ': its data is empty', ': its data has line breaks') as detail
      from events as event where ${WITHIN} and (event.data = '' or (${HAS_LINE_BREAK}
        and event.key > (select verbatim_until from logs where id = ${EVENT_LOG_ADDRESS.id})))`,
    repair: [
      `update events as event set data = nullif(replace(replace(data, char(10), ' '), char(13), ' '), '')
      where event.data = '' or ${HAS_LINE_BREAK}`,
    ],
  },
  {
    name: "extensions of events are JSON objects",
    over: "events",
    remedy: RESTORE,
    sql: `select 'key ' || event.key || ': its extensions are not a JSON object' as detail from events as event
      where ${WITHIN} and ${isNotJsonOf("object", "event.extensions")}`,
  },
  {
    name: "times of events are valid",
    over: "events",
    remedy: RESTORE,
    sql: `select 'key ' || event.key || ': recorded at ' || quote(event.recorded) || ', time ' || quote(event.time) as detail
      from events as event where ${WITHIN} and (${isNotOwnTime("event.recorded")} or ${isNotTime("event.time")})`,
  },
  {
    // In a feed they only grow within a subject.
    name: "recorded times only grow",
    over: "events",
    remedy: RESTORE,
    sql: `select 'key ' || event.key || ': recorded at ' || event.recorded || ', before the event before it' as detail
      from events as event where ${WITHIN} and event.key < ${LOG_SPAN}
        and event.recorded < (select recorded from events where key < event.key order by key desc limit 1)`,
  },
  {
    name: "tombstones are marked",
    over: "events",
    remedy: REPAIR,
    sql: `select subject.name || ': version ' || event.version || ' is a tombstone, and the stream is not marked as erased' as detail
      from events as event cross join subjects as subject on subject.id = event.subject
      where ${WITHIN} and event.type = '${ERASED_TYPE}' and subject.erased is null
        and not exists (select 1 from events as later where later.subject = event.subject and later.version > event.version)`,
    repair: [
      `update subjects set erased = tombstone.version, first_version = tombstone.version, sweep = 1
      from (select subject, max(version) as version from events where type = '${ERASED_TYPE}' group by subject) as tombstone
      where subjects.id = tombstone.subject and erased is null
        and tombstone.version = (select max(version) from events where subject = subjects.id)`,
    ],
  },
  {
    name: "tombstones hide erased events",
    over: "events",
    remedy: REPAIR,
    sql: `select subject.name || ': erased at version ' || event.version || ', but readable from version ' || subject.first_version as detail
      from events as event cross join subjects as subject on subject.id = event.subject
      where ${WITHIN} and event.key < ${LOG_SPAN} and event.type = '${ERASED_TYPE}' and subject.first_version < event.version`,
    repair: [
      `update subjects set first_version = tombstone.version, sweep = 1
      from (select subject, max(version) as version from events where key < ${LOG_SPAN} and type = '${ERASED_TYPE}' group by subject) as tombstone
      where subjects.id = tombstone.subject and first_version < tombstone.version`,
    ],
  },
  {
    name: "correlations of events are indexed",
    over: "events",
    remedy: REPAIR,
    sql: `select 'position ' || event.key || ': its correlation is not in the index' as detail
      from events as event where ${WITHIN} and ${LACKS_CORRELATION}`,
    // The job indexes all events again.
    repair: [
      `delete from correlation_progress where exists (select 1 from events as event where ${LACKS_CORRELATION})`,
    ],
  },
];
