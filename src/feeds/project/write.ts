import { type Row, type Statement, integerAt, textAt } from "../../storage/database.ts";
import { erasureStatements, reopenErasures } from "../../log/erase/erasures.ts";
import type { LogAddress } from "../../log/keys.ts";
import { isLeaseOf, type Lease, renewal } from "../../storage/lease.ts";
import type { LogState } from "../../log/log-state.ts";
import { rowsParameters } from "../../storage/parameters.ts";
import { aheadStatements } from "./merging.ts";
import { originStatements } from "./origins.ts";
import { placesPassed } from "./places.ts";
import type { FeedPlan } from "./plan.ts";
import type { FeedStatus } from "../record.ts";
import type { FeedSubject } from "../subjects.ts";

/*
 * The SQL of writing a feed: its events, the state of their subjects and the feed's cursor, in one atomic batch.
 *
 * The batch begins with the feed's epoch, which becomes NULL, and so is refused with everything else, if anybody
 * wrote to the feed since the plan was made, or took over the lease. So versions and states may be planned in memory,
 * by any process, and the unique index on (subject, version) proves them once more.
 *
 * A hydration writes one subject, and does not raise the epoch: otherwise a reader of subjects could keep the projector
 * from ever writing. Instead each side compares the subjects that both may write to. A hydration is refused when its
 * subject is not as it was planned on; a batch is refused when one of its subjects was hydrated since.
 */

/** Which of the subjects `[[subject id, name, projected], …]` were hydrated since. Arguments: 1 log id, 11 their JSON. */
const HYDRATED_SINCE = `
select 1 from json_each(?11) as entry cross join feed_subjects as kept
on kept.subject = coalesce(entry.value ->> 0, (select id from subjects where log = ?1 and name = entry.value ->> 1))
  and kept.projected <> entry.value ->> 2`;

/**
 * Arguments: log id, epoch, cursor, status, failure (both as they are where the status is null), rate (null: as it is), lease: name, holder and token (null: not
 * needed), hydrations and JSON of the subjects that are written, see `HYDRATED_SINCE`, merged (null: as it is).
 */
export const ADVANCE_FEED = `
update feeds set
  epoch = case when epoch = ?2 and status in ('building', 'live', 'halted') and (?7 is null or
    ${isLeaseOf("?7", "?8", "?9")})
    and (hydrations = ?10 or not exists (${HYDRATED_SINCE})) then epoch + 1 end,
  cursor = coalesce(?3, cursor), merged = coalesce(?12, merged), status = coalesce(?4, status),
  failure = iif(?4 is null, failure, ?5), rate = coalesce(?6, rate)
where log = ?1`;

const SUBJECT = "(select id from subjects where log = ?1 and name = ?5)";

/**
 * Refused unless the subject is as the plan has it, and both logs hold the history that was read.
 * Arguments: log id and identity, source's log id and identity, name, version, state, projected, promised.
 */
export const HYDRATE_FEED = `
update feeds set hydrations = case when status in ('building', 'live', 'halted')
  and (select identity from logs where id = ?1) = ?2 and (select identity from logs where id = ?3) = ?4
  and coalesce((select version from events where subject = ${SUBJECT} order by version desc limit 1), 0) = ?6
  and (select state from feed_subjects where subject = ${SUBJECT}) is ?7
  and coalesce((select projected from feed_subjects where subject = ${SUBJECT}), 0) = ?8 and promised = ?9
  then hydrations + 1 end
where log = ?1`;

/** Arguments: log id, JSON `[name, …]`. */
export const INSERT_FEED_SUBJECTS = `
insert into subjects (log, name) select ?1, value from json_each(?2) where true returning name, id`;

/** Arguments: log id, base key, JSON of `PlacedRow`s. */
export const INSERT_FEED_EVENTS = `
insert into events (key, subject, version, type, time, recorded, data, extensions)
select ?2 + log.head + 1 + (entry.value ->> 8),
  coalesce(entry.value ->> 0, (select id from subjects where log = ?1 and name = entry.value ->> 1)),
  entry.value ->> 2, entry.value ->> 3, entry.value ->> 4, entry.value ->> 5, entry.value ->> 6, entry.value ->> 7
from logs as log cross join json_each(?3) as entry
where log.id = ?1`;

/** Arguments: log id, JSON `[[subject id, name, state, projected, reset], …]`. */
export const KEEP_SUBJECTS = `
insert into feed_subjects (subject, state, projected, reset)
select coalesce(entry.value ->> 0, (select id from subjects where log = ?1 and name = entry.value ->> 1)),
  entry.value ->> 2, entry.value ->> 3, entry.value ->> 4
from json_each(?2) as entry
where true
on conflict (subject) do update set state = excluded.state, projected = excluded.projected, reset = excluded.reset`;

/** Arguments: log id, count of events, recorded time of the last. */
const ADVANCE_HEAD = `
update logs set head = head + ?2, recorded = max(recorded, ?3) where id = ?1 returning head, identity`;

/** What changes of a feed beside what it publishes. */
export interface Advance {
  readonly epoch: number;
  /** `FeedRecord.promised`: a promise changes with the epoch. */
  readonly promised: number;
  /** `FeedRecord.hydrations` as it was before anything was read for the plan. */
  readonly hydrations: number;
  /** Null for who does not need to hold the feed: a request that applies erasures. */
  readonly lease: Lease | null;
  /** Null: as it is. */
  readonly cursor: number | null;
  readonly merged?: number | null;
  readonly status: FeedStatus | null;
  readonly rate: number | null;
  /** JSON of a `Failure`. */
  readonly failure: string | null;
}

/** What a hydration was planned on. */
export interface Hydration {
  /** The subject as it was. */
  readonly subject: string;
  readonly before: FeedSubject;
  /** `FeedRecord.promised`. */
  readonly promised: number;
  /** Identities of the feed's log and of its source. */
  readonly identity: string;
  readonly sourceIdentity: string;
}

/** A plan, where it is written. */
interface PlannedWrite {
  readonly log: LogAddress;
  /** The log that is projected. */
  readonly source: LogAddress;
  readonly plan: FeedPlan;
  /** What an erasure changes of earlier events; see `erasing.ts`. */
  readonly erasing?: readonly Statement[];
  /** Makes the contract that the plan was made by the promise; see `promise.ts`. */
  readonly promotion?: Statement | null;
}

export type FeedWrite = PlannedWrite & (Advance | { readonly hydration: Hydration });

function advanceStatements({ log, plan, ...advance }: PlannedWrite & Advance): Statement[] {
  const { epoch, hydrations, lease, cursor, merged = null, status, rate, failure } = advance;
  const { name = null, holder = null, token = null } = lease ?? {};
  const written = plan.written.map((subject) => {
    const { id = null, projected = 0 } = plan.after.get(subject) ?? {};
    return [id, id === null ? subject : null, projected];
  });
  const fence = [name, holder, token, hydrations, JSON.stringify(written), merged];
  return [
    { sql: ADVANCE_FEED, args: [log.id, epoch, cursor, status, failure, rate, ...fence] },
    { sql: INSERT_FEED_SUBJECTS, args: [log.id, JSON.stringify(plan.newSubjects)] },
    ...(lease === null ? [] : [renewal(lease)]),
  ];
}

function hydrationStatements({
  log,
  source,
  plan,
  hydration,
}: PlannedWrite & { hydration: Hydration }): Statement[] {
  const { subject, before, promised, identity, sourceIdentity } = hydration;
  const { version, state, projected } = before;
  const histories = [log.id, identity, source.id, sourceIdentity];
  return [
    { sql: HYDRATE_FEED, args: [...histories, subject, version, state, projected, promised] },
    { sql: INSERT_FEED_SUBJECTS, args: [log.id, JSON.stringify(plan.newSubjects)] },
  ];
}

/** The one batch that writes a plan. */
export function feedBatch(write: FeedWrite): Statement[] {
  const { log, source, plan, erasing = [], promotion = null } = write;
  const statements: Statement[] =
    "hydration" in write ? hydrationStatements(write) : advanceStatements(write);
  if (promotion !== null && plan.events.length > 0) statements.push(promotion);
  statements.push(...erasing);
  if (plan.kept.length > 0) {
    const rows = plan.kept.map((subject) => {
      const { id = null, state = null, projected = 0, reset = 0 } = plan.after.get(subject) ?? {};
      return [id, id === null ? subject : null, state, projected, reset];
    });
    for (const { json } of rowsParameters(rows))
      statements.push({ sql: KEEP_SUBJECTS, args: [log.id, json] });
  }
  if (plan.erased.length > 0) statements.push(reopenErasures(source, plan.erased));
  statements.push(...originStatements(log, source, plan.origins), ...placesPassed(log, plan.passed));
  const last = plan.events.at(-1);
  if (last !== undefined) {
    for (const { json } of rowsParameters(plan.events))
      statements.push({ sql: INSERT_FEED_EVENTS, args: [log.id, log.base, json] });
    statements.push(...aheadStatements(log, plan.ahead));
    statements.push(...erasureStatements(log, plan));
    statements.push({ sql: ADVANCE_HEAD, args: [log.id, plan.positions, last[5]] });
  }
  return statements;
}

/** Ids that the batch gave to new subjects, from its rows. */
export function newIds(rows: readonly (readonly Row[])[]): Map<string, number> {
  return new Map((rows[1] ?? []).map((row) => [textAt(row, 0), integerAt(row, 1)]));
}

/** The feed's log after the batch; null when it published nothing. */
export function stateAfter(plan: FeedPlan, rows: readonly (readonly Row[])[]): LogState | null {
  if (plan.events.length === 0) return null;
  const row = rows.at(-1)?.[0];
  return { head: integerAt(row, 0), identity: textAt(row, 1) };
}
