import type { Clock } from "../../core/clock.ts";
import type { Job } from "../../jobs/job.ts";
import { type BatchWriter, writeUnplanned } from "../../storage/batch-writer.ts";
import { type Database, integerAt, type Statement, textAt } from "../../storage/database.ts";
import type { LogAddress } from "../keys.ts";
import { consumerPagesOfLogs } from "./consumer-pages.ts";
import type { ConsumerOfLog, ConsumerRecord } from "./consumers.ts";

/*
 * The lag of consumers in the last day, in steps of five minutes. One process samples all consumers of the store in each step.
 */

/** Time between two samples, in seconds. */
export const LAG_STEP_SECONDS = 300;

const STEP_MS = LAG_STEP_SECONDS * 1_000;
const HOUR_MS = 3_600_000;

/** Hours that are kept, besides the current one. */
const KEPT_HOURS = 24;

/** Most consumers that are sampled, of all logs together. */
const MOST_SAMPLED = 10_000;

/** A silent consumer that never committed is sampled for so long: anyone who reads can choose a name. */
const STRANGER_MS = HOUR_MS;

/** Delays before samples that could not be stored are stored again, in milliseconds. */
export const LAG_BACKOFF = { firstMs: 1_000, lastMs: 60_000 };

/** Whether some consumer has a sample of a step. Arguments: hour, step within the hour. */
export const IS_SAMPLED = `
select 1 from consumer_lag where hour = ?1 and samples ->> '$[#-1][0]' >= ?2 limit 1`;

/**
 * Adds a sample of a step to each consumer that has none of it. Arguments: hour, step within the hour, JSON
 * `[[log id, name, events, seconds], …]`.
 */
export const RECORD_LAG = `
insert into consumer_lag (hour, log, name, samples)
select ?1, entry.value ->> 0, entry.value ->> 1, json_array(json_array(?2, entry.value ->> 2, entry.value ->> 3))
from json_each(?3) as entry
where exists (select 1 from consumers where log = entry.value ->> 0 and name = entry.value ->> 1)
on conflict (hour, log, name) do update set
  samples = json_insert(consumer_lag.samples, '$[#]', json(excluded.samples -> '$[0]'))
where consumer_lag.samples ->> '$[#-1][0]' < ?2`;

/** Arguments: first hour that is kept. */
export const EXPIRE_LAG = "delete from consumer_lag where hour < ?1";

/** Arguments: first hour, last hour, log id, name. */
export const READ_LAG = `
with recursive hours(hour) as (values (?1) union all select hour + 1 from hours where hour < ?2)
select hours.hour, lag.samples from hours cross join consumer_lag as lag
  on lag.hour = hours.hour and lag.log = ?3 and lag.name = ?4
order by hours.hour`;

/** Arguments: first hour, last hour, log id, name. */
export const FORGET_LAG = `
with recursive hours(hour) as (values (?1) union all select hour + 1 from hours where hour < ?2)
delete from consumer_lag where hour in (select hour from hours) and log = ?3 and name = ?4`;

/** Part of a batch: deletes the samples of all consumers of a log. Arguments: log id. */
export const FORGET_LAG_OF_LOG = "delete from consumer_lag where log = ?1";

/** The lag of a consumer at one time. */
export interface LagSample {
  /** RFC 3339. */
  readonly time: string;
  /** Positions that it had not committed, or else was not sent. */
  readonly events: number;
  /** Age of the first of them. */
  readonly seconds: number;
}

function hourOf(ms: number): number {
  return Math.floor(ms / HOUR_MS);
}

/** Statement of a batch: deletes the samples of a consumer that is forgotten. */
export function forgetLag(log: LogAddress, name: string, nowMs: number): Statement {
  const hour = hourOf(nowMs);
  // The clock of the process that took them may differ.
  return { sql: FORGET_LAG, args: [hour - KEPT_HOURS - 1, hour + 1, log.id, name] };
}

/** Reads the samples of a consumer in the last day, the earliest first, from those that were taken since a time (RFC 3339). */
export async function readLagHistory(
  database: Database,
  log: LogAddress,
  { name, since }: Pick<ConsumerRecord, "name" | "since">,
  nowMs: number,
): Promise<LagSample[]> {
  const hour = hourOf(nowMs);
  const args = [hour - KEPT_HOURS, hour, log.id, name];
  const rows = await database.read({ sql: READ_LAG, args });
  // A consumer that was forgotten, and reads again, is another one.
  const firstMs = Math.max(Date.parse(since), nowMs - KEPT_HOURS * HOUR_MS);
  return rows.flatMap((row) => {
    // Written as JSON by this program; `kilde doctor` finds values that are not.
    const samples = JSON.parse(textAt(row, 1)) as [step: number, events: number, seconds: number][];
    return samples.flatMap(([step, events, seconds]) => {
      const ms = integerAt(row, 0) * HOUR_MS + step * STEP_MS;
      return ms < firstMs - STEP_MS ? [] : [{ time: new Date(ms).toISOString(), events, seconds }];
    });
  });
}

export interface LagJobDeps {
  readonly database: Database;
  readonly writer: BatchWriter;
  readonly clock: Clock;
}

function isSampled({ committed, seen }: ConsumerRecord, nowMs: number): boolean {
  return committed !== null || nowMs - Date.parse(seen) < STRANGER_MS;
}

/** Statement that stores the samples of a page of consumers. */
function recordLag(hour: number, step: number, page: readonly ConsumerOfLog[]): Statement {
  const entries = page.map(({ log, consumer: { name, lag } }) => [
    log,
    name,
    lag.events,
    Math.round(lag.seconds),
  ]);
  return { sql: RECORD_LAG, args: [hour, step, JSON.stringify(entries)] };
}

/** Samples the lag of consumers, and deletes old samples. Writes nothing in a store without consumers. */
async function sample({ database, writer, clock }: LagJobDeps, signal: AbortSignal): Promise<void> {
  const nowMs = clock.now();
  const hour = hourOf(nowMs);
  const step = Math.floor((nowMs - hour * HOUR_MS) / STEP_MS);
  // Another process may have done it. If both do, the second adds nothing.
  if ((await database.read({ sql: IS_SAMPLED, args: [hour, step] })).length > 0) return;
  let left = MOST_SAMPLED;
  const expire: Statement = { sql: EXPIRE_LAG, args: [hour - KEPT_HOURS] };
  for await (const page of consumerPagesOfLogs({ database, clock })) {
    const sampled = page.filter(({ consumer }) => isSampled(consumer, nowMs)).slice(0, left);
    if (sampled.length > 0) await writeUnplanned(writer, [expire, recordLag(hour, step, sampled)]);
    left -= sampled.length;
    if (left === 0 || signal.aborted) return;
  }
}

/** Keeps the lag of consumers in the last day. */
export function consumerLagJob(deps: LagJobDeps): Job {
  const { clock } = deps;
  return {
    name: "sample the lag of consumers",
    async run({ signal }) {
      await sample(deps, signal);
      const restMs = STEP_MS - (clock.now() % STEP_MS);
      return { until: (until) => clock.sleep(restMs, until) };
    },
  };
}
