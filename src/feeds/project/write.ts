import type { LogAppend } from "../../log/append/append-batch.ts";
import type { Statement } from "../../storage/database.ts";
import { reopenErasures } from "../../log/erase/erasures.ts";
import type { LogAddress } from "../../log/keys.ts";
import { isLeaseOf, type Lease, renewal } from "../../storage/lease.ts";
import { rowsParameters } from "../../storage/parameters.ts";
import { aheadStatements } from "./merging.ts";
import { originStatements } from "./origins.ts";
import { placesPassed } from "./places.ts";
import type { FeedPlan } from "./plan.ts";
import type { FeedRecord, FeedStatus } from "../record.ts";
import type { FeedSubject } from "../subjects.ts";

/*
 * The SQL that extends an append to a feed's log with the state of its subjects and the feed's cursor, in one atomic batch.
 *
 * The batch begins with the feed's epoch, which becomes NULL, and so the database refuses the batch, if another process
 * wrote to the feed since the plan was made, or took over the lease. So versions and states may be planned in memory,
 * by any process, and the unique index on (subject, version) proves them once more.
 *
 * A projector sends a batch before it knows the outcome of the one before. If that one was not written, but something else
 * that raised the epoch as well, the epoch alone would not show it. So the progress is compared too. Within a term of the lease only
 * a batch of the projector advances it, and the projector sends no other before it knows the outcomes of all that it sent
 * (`landUntil`); when it cannot know one, the term ends, and with it the batches that may still arrive.
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
 * needed), hydrations and JSON of the subjects that are written, see `HYDRATED_SINCE`, merged (null: as it is), and cursor
 * and merged that the plan rests on.
 */
export const ADVANCE_FEED = `
update feeds set
  epoch = case when epoch = ?2 and cursor = ?13 and merged = ?14 and status in ('building', 'live', 'halted') and (?7 is null or
    ${isLeaseOf("?7", "?8", "?9")})
    and (hydrations = ?10 or not exists (${HYDRATED_SINCE})) then epoch + 1 end,
  cursor = coalesce(?3, cursor), merged = coalesce(?12, merged), status = coalesce(?4, status),
  failure = iif(?4 is null, failure, ?5), rate = coalesce(?6, rate)
where log = ?1`;

const SUBJECT = "(select id from subjects where log = ?1 and name = ?5)";

/**
 * Refused unless the subject is as the plan has it, and both logs hold the history that was read.
 * Arguments: log id and identity, source's log id and identity, name, version, state, projected, revision of the published contract.
 */
export const HYDRATE_FEED = `
update feeds set hydrations = case when status in ('building', 'live', 'halted')
  and (select identity from logs where id = ?1) = ?2 and (select identity from logs where id = ?3) = ?4
  and coalesce((select version from events where subject = ${SUBJECT} order by version desc limit 1), 0) = ?6
  and (select state from feed_subjects where subject = ${SUBJECT}) is ?7
  and coalesce((select projected from feed_subjects where subject = ${SUBJECT}), 0) = ?8 and promised = ?9
  then hydrations + 1 end
where log = ?1`;

/** Arguments: log id, JSON `[[subject id, name, state, projected, reset], …]`. */
export const KEEP_SUBJECTS = `
with entry as materialized (select value from json_each(?2))
insert into feed_subjects (subject, state, projected, reset)
select coalesce(entry.value ->> 0, (select id from subjects where log = ?1 and name = entry.value ->> 1)),
  entry.value ->> 2, entry.value ->> 3, entry.value ->> 4
from entry
where true
on conflict (subject) do update set state = excluded.state, projected = excluded.projected, reset = excluded.reset`;

/** Changes of a feed beside its published events. */
export interface Advance {
  readonly epoch: number;
  /** Stored cursor and `merged` that the plan rests on. */
  readonly from: Pick<FeedRecord, "cursor" | "merged">;
  /** `FeedRecord.publishedRevision`: a published contract changes with the epoch. */
  readonly publishedRevision: number;
  /** `FeedRecord.hydrations` as it was before anything was read for the plan. */
  readonly hydrations: number;
  /** Null for a writer that needs no lease: a request that applies erasures. */
  readonly lease: Lease | null;
  /** Null: as it is. */
  readonly cursor: number | null;
  readonly merged?: number | null;
  readonly status: FeedStatus | null;
  readonly rate: number | null;
  /** JSON of a `Failure`. */
  readonly failure: string | null;
}

/** The basis that a hydration was planned on. */
export interface Hydration {
  /** The subject as it was. */
  readonly subject: string;
  readonly before: FeedSubject;
  /** `FeedRecord.publishedRevision`. */
  readonly publishedRevision: number;
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
  /** Changes of an erasure to earlier events; see `erasing.ts`. */
  readonly erasing?: readonly Statement[];
  /** Makes the plan's contract the published one; see `published-contract.ts`. */
  readonly promotion?: Statement | null;
  /** Records the change of the feed's status; see `status-entries.ts`. */
  readonly recorded?: readonly Statement[];
}

export type FeedWrite = PlannedWrite & (Advance | { readonly hydration: Hydration });

function advanceFence({ log, plan, ...advance }: PlannedWrite & Advance): Statement[] {
  const { epoch, from, hydrations, lease, cursor, merged = null, status, rate, failure } = advance;
  const { name = null, holder = null, token = null } = lease ?? {};
  const written = plan.written.map((subject) => {
    const { id = null, projected = 0 } = plan.after.get(subject) ?? {};
    return [id, id === null ? subject : null, projected];
  });
  const fence = [name, holder, token, hydrations, JSON.stringify(written), merged, from.cursor, from.merged];
  return [
    { sql: ADVANCE_FEED, args: [log.id, epoch, cursor, status, failure, rate, ...fence] },
    ...(lease === null ? [] : [renewal(lease)]),
  ];
}

function hydrationFence({ log, source, hydration }: PlannedWrite & { hydration: Hydration }): Statement[] {
  const { subject, before, publishedRevision, identity, sourceIdentity } = hydration;
  const { version, state, projected } = before;
  const histories = [log.id, identity, source.id, sourceIdentity];
  return [{ sql: HYDRATE_FEED, args: [...histories, subject, version, state, projected, publishedRevision] }];
}

function keptStatements(log: LogAddress, plan: FeedPlan): Statement[] {
  if (plan.kept.length === 0) return [];
  const rows = plan.kept.map((subject) => {
    const { id = null, state = null, projected = 0, reset = 0 } = plan.after.get(subject) ?? {};
    return [id, id === null ? subject : null, state, projected, reset];
  });
  return rowsParameters(rows).map(({ json }) => ({ sql: KEEP_SUBJECTS, args: [log.id, json] }));
}

/** The append that writes a plan: to the feed's log, with the feed's cursor and the state of its subjects. */
export function feedAppend(write: FeedWrite): LogAppend {
  const { log, source, plan, erasing = [], promotion = null, recorded = [] } = write;
  return {
    log,
    // The fence proves the identity as well: a renewal raises the epoch.
    identity: null,
    now: null,
    placed: plan,
    fence: "hydration" in write ? hydrationFence(write) : advanceFence(write),
    withSubjects: [
      ...(promotion !== null && plan.events.length > 0 ? [promotion] : []),
      ...erasing,
      ...recorded,
      ...keptStatements(log, plan),
      ...(plan.erased.length > 0 ? [reopenErasures(source, plan.erased)] : []),
      ...originStatements(log, source, plan.origins),
      ...placesPassed(log, plan.passed),
    ],
    withEvents: aheadStatements(log, plan.ahead),
  };
}
