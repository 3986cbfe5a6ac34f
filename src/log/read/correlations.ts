import type { Clock } from "../../core/clock.ts";
import type { Job } from "../../jobs/job.ts";
import { type BatchWriter, writeUnplanned } from "../../storage/batch-writer.ts";
import { type Database, integerAt, type Statement, textAt } from "../../storage/database.ts";
import { EVENT_LOG_ADDRESS, type LogAddress } from "../keys.ts";
import { BYTES_OF_EVENT } from "./pages.ts";
import { eventText, renderingArgs } from "./render.ts";

/*
 * Which events of the event log have which `correlationid`: a table beside the log, which a job writes from its own cursor,
 * so that an append does no work for it. A trigger deletes an entry with its event.
 */

/** When correlations are indexed: a worker, which runs the job on its schedule, also indexes new events before it reads some. */
export type CorrelationIndexing = "off" | "in-background" | "before-reads";

/** Events that one write examines: few enough that appends hardly wait. */
const STEP_EVENTS = 500;

/** Writes before one read. The job indexes the rest of a longer backlog, such as that of a store which has just begun to index. */
const STEPS_BEFORE_READ = 4;

/** Longest correlation id that is indexed, in characters. */
export const MOST_CORRELATION_LENGTH = 1_024;

/** Time between two looks at the head, in milliseconds. */
const LOOK_MS = 500;

/** Delays before a failed step is tried again, in milliseconds. */
export const CORRELATIONS_BACKOFF = { firstMs: 1_000, lastMs: 60_000 };

const { base } = EVENT_LOG_ADDRESS;

const READ_PROGRESS = `
select head, coalesce((select position from correlation_progress where log = ?1), 0) from logs where id = ?1`;

/** Arguments: cursor, last position of the step. */
export const INDEX_CORRELATIONS = `
insert into event_correlations (correlation, position)
select extensions ->> '$.correlationid', key from events
where key > ?1 and key <= ?2 and extensions is not null
  and length(extensions ->> '$.correlationid') <= ${MOST_CORRELATION_LENGTH}
on conflict do nothing`;

/** Two processes may index the same events: the cursor never goes back. Arguments: log id, position. */
const ADVANCE = `
insert into correlation_progress (log, position) values (?1, ?2)
on conflict (log) do update set position = max(position, excluded.position)`;

/** How far the events of the log are indexed. */
export interface CorrelationProgress {
  /** Position of the last event of the log. */
  readonly head: number;
  /** Position up to which correlations are known. */
  readonly indexed: number;
}

export async function correlationProgress(database: Database): Promise<CorrelationProgress> {
  const [row] = await database.read({ sql: READ_PROGRESS, args: [EVENT_LOG_ADDRESS.id] });
  return { head: integerAt(row, 0), indexed: integerAt(row, 1) };
}

/** Indexes a few events; returns whether some are left. */
async function indexStep({
  database,
  writer,
}: Pick<CorrelationsDeps, "database" | "writer">): Promise<boolean> {
  const { head, indexed } = await correlationProgress(database);
  if (indexed >= head) return false;
  const upTo = Math.min(head, indexed + STEP_EVENTS);
  await writeUnplanned(writer, [
    { sql: INDEX_CORRELATIONS, args: [base + indexed, base + upTo] },
    { sql: ADVANCE, args: [EVENT_LOG_ADDRESS.id, upTo] },
  ]);
  return upTo < head;
}

export interface CorrelationsDeps {
  readonly database: Database;
  readonly writer: BatchWriter;
  readonly clock: Clock;
}

/** Indexes the correlations of new events, and at first those of all older ones. */
export function correlationsJob(deps: CorrelationsDeps): Job {
  return {
    name: "index the correlations of events",
    async run({ deadline, signal }) {
      let isMore = await indexStep(deps);
      while (isMore && !signal.aborted && deps.clock.monotonic() < deadline) isMore = await indexStep(deps);
      return isMore ? "progressed" : { until: (until) => deps.clock.sleep(LOOK_MS, until) };
    },
  };
}

/** Indexes new events where no job runs beside requests, so that a read finds them. */
export async function indexBeforeRead(deps: Pick<CorrelationsDeps, "database" | "writer">): Promise<void> {
  for (let step = 1; step <= STEPS_BEFORE_READ && (await indexStep(deps)); step += 1);
}

export interface CorrelatedQuery {
  readonly correlation: string;
  /** Only events after this position. */
  readonly after: number;
  readonly limit: number;
  /** Bytes of events that an answer may have; it has one event at least. */
  readonly mostBytes: number;
}

const FROM_CORRELATED = `from event_correlations as entry
cross join events as event on event.key = ?1 + entry.position
cross join subjects as subject on subject.id = event.subject and event.version >= subject.first_version
where entry.correlation = ?2 and entry.position > ?3`;

/** Arguments: base key, correlation, position, limit. */
export const MEASURE_CORRELATED = `
select entry.position, ${BYTES_OF_EVENT} ${FROM_CORRELATED} order by entry.position limit ?4`;

function readStatement(log: LogAddress, positions: readonly number[]): Statement {
  const args = renderingArgs(log);
  const places = `?${args.push(JSON.stringify(positions))}`;
  const sql = `select event.key - ?1, ${eventText()} from json_each(${places}) as place
    cross join events as event on event.key = ?1 + place.value
    cross join subjects as subject on subject.id = event.subject and event.version >= subject.first_version`;
  return { sql, args };
}

/** Events with a correlation, in order of position. */
export interface CorrelatedPage {
  /** As JSON. */
  readonly texts: readonly string[];
  /** Position after which the next page begins; null: nothing follows. */
  readonly next: number | null;
}

/** Reads the events with a correlation. Costs as much as the events that it returns, however large the log is. */
export async function readCorrelated(
  database: Database,
  { correlation, after, limit, mostBytes }: CorrelatedQuery,
): Promise<CorrelatedPage> {
  const args = [base, correlation, after, limit + 1];
  const measured = await database.read({ sql: MEASURE_CORRELATED, args });
  let bytes = 0;
  const fitting = measured.slice(0, limit).filter((row, index) => {
    bytes += integerAt(row, 1);
    return index === 0 || bytes <= mostBytes;
  });
  const positions = fitting.map((row) => integerAt(row, 0));
  const rows = positions.length === 0 ? [] : await database.read(readStatement(EVENT_LOG_ADDRESS, positions));
  const next = positions.length < measured.length ? (positions.at(-1) ?? null) : null;
  return { texts: rows.map((row) => textAt(row, 1)), next };
}
