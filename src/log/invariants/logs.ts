import { withoutScope } from "../append/scoped-key.ts";
import { EVENT_LOG_ADDRESS, LOG_SPAN } from "../keys.ts";
import {
  type Invariant,
  isNotJson,
  isNotJsonOf,
  isNotOwnTime,
  isUnusableName,
  REPAIR,
  RESTORE,
} from "../../storage/invariant.ts";

/** SQL condition: an entry of `event_correlations` is not that of an event. An erased event must leave none. */
const HAS_OTHER_CORRELATION = `not exists (select 1 from events as event
  where event.key = event_correlations.position and not ${isNotJson("event.extensions")}
    and event.extensions ->> '$.correlationid' = event_correlations.correlation)`;

/** The rules of logs, their lineage and erasures, and of the stored keys and consumers. */
export const LOG_INVARIANTS: readonly Invariant[] = [
  {
    name: "logs know the time of their last event",
    remedy: REPAIR,
    sql: `select name || ': its last event was recorded at ' || last || ', and the log states ' || quote(recorded) as detail
      from (select logs.*, (select recorded from events where key > logs.id * ${LOG_SPAN} and key < (logs.id + 1) * ${LOG_SPAN}
        order by key desc limit 1) as last from logs)
      where recorded < last or (recorded <> '' and ${isNotOwnTime("recorded")})`,
    repair: [
      `update logs set recorded = coalesce((select recorded from events where key > logs.id * ${LOG_SPAN}
        and key < (logs.id + 1) * ${LOG_SPAN} order by key desc limit 1), '')
      where recorded < coalesce((select recorded from events where key > logs.id * ${LOG_SPAN}
        and key < (logs.id + 1) * ${LOG_SPAN} order by key desc limit 1), '') or (recorded <> '' and ${isNotOwnTime("recorded")})`,
    ],
  },
  {
    name: "logs have an identity",
    remedy: "Run `kilde identity renew`.",
    sql: `select name || ': its identity is ' || quote(identity) as detail from logs
      where length(identity) <> 16 or identity glob '*[^0-9a-f]*'
      union all select log.name || ': former identity ' || quote(former.identity) || ', parted at ' || former.parted || ', head ' || log.head
      from log_lineage as former join logs as log on log.id = former.log
      where length(former.identity) <> 16 or former.identity glob '*[^0-9a-f]*' or former.parted not between 0 and log.head`,
  },
  {
    name: "erasures are of their log",
    remedy: RESTORE,
    sql: `select log.name || ': the erasure of ' || erased.subject || ' at version ' || erased.version || ' is at position '
        || erased.position || ', head ' || log.head as detail
      from erasures as erased join logs as log on log.id = erased.log
      where erased.position not between 1 and log.head or erased.version < 1 or ${isNotOwnTime("erased.recorded")}
        or ${isUnusableName("erased.subject")}`,
  },
  {
    name: "erasure generations are of their log",
    remedy: REPAIR,
    sql: `select log.name || ': positions from ' || (raised.chunk * 1024) || ' have the generation ' || quote(raised.generation)
        || ', head ' || log.head as detail
      from erasure_generations as raised join logs as log on log.id = raised.log
      where raised.chunk not between 0 and log.head >> 10 or typeof(raised.generation) <> 'integer' or raised.generation < 1`,
    repair: [
      "delete from erasure_generations where chunk not between 0 and (select head >> 10 from logs where id = erasure_generations.log)",
      "update erasure_generations set generation = 1 where typeof(generation) <> 'integer' or generation < 1",
    ],
  },
  {
    name: "idempotency keys have their answer",
    remedy: RESTORE,
    sql: `select 'idempotency key ' || quote(key) || ': its answer is not one' as detail from idempotency
      where ${isUnusableName(withoutScope("key"))} or ${isNotOwnTime("recorded")} or case when ${isNotJsonOf("array", "results")} then 1
        else exists (select 1 from json_each(results) as part where part.type <> 'array' or json_array_length(part.value) <> 4
          or json_type(part.value, '$[0]') <> 'text' or json_type(part.value, '$[1]') <> 'integer'
          or json_type(part.value, '$[2]') <> 'integer' or json_type(part.value, '$[3]') <> 'integer'
          or base + (part.value ->> 2) > (select head from logs where id = ${EVENT_LOG_ADDRESS.id})) end
        or base not between 0 and (select head from logs where id = ${EVENT_LOG_ADDRESS.id})`,
  },
  {
    name: "consumers are within their log",
    remedy: REPAIR,
    sql: `select 'consumer ' || quote(consumer.name) || ' of ' || log.name || ': committed ' || quote(committed) || ', sent '
        || quote(sent) || ', head ' || log.head as detail
      from consumers as consumer join logs as log on log.id = consumer.log
      where committed not between 0 and log.head or sent not between 0 and log.head`,
    repair: ["committed", "sent"].map(
      (column) =>
        `update consumers set ${column} = min(max(${column}, 0), (select head from logs where id = consumers.log)) where ${column} is not null`,
    ),
  },
  {
    name: "consumers report failures in JSON",
    remedy: REPAIR,
    sql: `select 'consumer ' || quote(name) || ': ' || blocked || ' blocked, last failure ' || quote(failure) as detail
      from consumers where blocked < 0 or ${isNotJsonOf("object", "failure")}`,
    repair: [
      `update consumers set blocked = 0, failure = null where blocked < 0 or ${isNotJsonOf("object", "failure")}`,
    ],
  },
  {
    name: "consumers have names and times",
    remedy: RESTORE,
    sql: `select 'consumer ' || quote(name) || ': seen from ' || quote(since) || ' to ' || quote(seen) as detail from consumers
      where ${isUnusableName("name")} or ${isNotOwnTime("since")} or ${isNotOwnTime("seen")}`,
  },
  {
    name: "samples of the lag of consumers are in JSON",
    remedy: REPAIR,
    sql: `select 'consumer ' || quote(name) || ': its lag in hour ' || quote(hour) || ' is ' || quote(samples) as detail
      from consumer_lag where ${isNotJsonOf("array", "samples")}`,
    repair: [`delete from consumer_lag where ${isNotJsonOf("array", "samples")}`],
  },
  {
    name: "correlations are indexed up to a position of their log",
    remedy: REPAIR,
    sql: `select log.name || ': correlations are indexed up to ' || quote(indexed.position) || ', head ' || log.head as detail
      from correlation_progress as indexed join logs as log on log.id = indexed.log
      where typeof(indexed.position) <> 'integer' or indexed.position not between 0 and log.head`,
    repair: [
      `update correlation_progress set position = 0 where typeof(position) <> 'integer'
        or position not between 0 and (select head from logs where id = correlation_progress.log)`,
    ],
  },
  {
    name: "indexed correlations are of events",
    remedy: REPAIR,
    sql: `select 'position ' || quote(position) || ': the event there has not the correlation ' || quote(correlation) as detail
      from event_correlations where ${HAS_OTHER_CORRELATION}`,
    repair: [`delete from event_correlations where ${HAS_OTHER_CORRELATION}`],
  },
  {
    name: "references lead somewhere",
    remedy: RESTORE,
    sql: `select fault."table" || ' row ' || coalesce(fault.rowid, '') || ' refers to a row of ' || fault.parent || ' that is not there' as detail
      from sqlite_master as listed cross join pragma_foreign_key_check(listed.name) as fault
      where listed.type = 'table' and listed.name <> 'events' and listed.name not like 'sqlite!_%' escape '!'`,
  },
];
