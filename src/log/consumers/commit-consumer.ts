import { KildeError } from "../../core/errors.ts";
import type { BatchWriter } from "../../storage/batch-writer.ts";
import { integerAt, type Statement, textAt } from "../../storage/database.ts";
import type { LogAddress } from "../keys.ts";
import type { ReportedFailure } from "./consumers.ts";
import { lastSeen, latestActivity } from "./last-seen.ts";
import { writeConsumer } from "./write-consumer.ts";

/**
 * Deletes one consumer if a new name has no room otherwise: one that never committed, or has not been seen since a time.
 * Arguments: log id, new name, most consumers, that time.
 */
const MAKE_ROOM_FOR = `
delete from consumers where log = ?1
  and not exists (select 1 from consumers where log = ?1 and name = ?2)
  and (select count(*) from consumers where log = ?1) >= ?3
  and name = (select name from consumers where log = ?1 and (committed is null or seen < ?4)
    order by committed is not null, seen limit 1)`;

/**
 * Arguments: log id, name, position, now, 1 if it may move back, most consumers of a log, latest time as above, blocked
 * subjects, failure as JSON text or null.
 */
export const COMMIT_CONSUMER = `
insert into consumers (log, name, committed, seen, since, blocked, failure)
select ?1, ?2, ?3, ?4, ?4, ?8, ?9
where exists (select 1 from consumers where log = ?1 and name = ?2)
  or (select count(*) from consumers where log = ?1) < ?6
on conflict (log, name) do update set
  committed = iif(?5 or committed is null or excluded.committed > committed, excluded.committed, committed),
  seen = ${lastSeen("excluded.seen", "?7")}, blocked = excluded.blocked, failure = excluded.failure
returning committed`;

/**
 * Selects when the event was appended that a commit advances to; no row for a commit that does not advance. Arguments: log
 * id, name, position, base key.
 */
export const ADVANCED_TO = `
select recorded from events where key = ?4 + ?3
  and ?3 > coalesce((select committed from consumers where log = ?1 and name = ?2), 0)`;

export interface ConsumerCommitOptions {
  readonly log: LogAddress;
  readonly name: string;
  readonly position: number;
  /** Whether it may be before the position committed so far: the consumer goes back to read again. */
  readonly rewind: boolean;
  readonly blocked: number;
  readonly failure: ReportedFailure | null;
  readonly nowMs: number;
  readonly mostConsumers: number;
  /** A consumer that was last seen before this time (RFC 3339) may be forgotten for a new one. */
  readonly idleSince: string;
  /** Statements of the same batch, which run before the commit; a batch that commits nothing still runs them. */
  readonly before: readonly Statement[];
}

/**
 * Stores the position that a consumer commits. Returns when the event there was appended (RFC 3339), if the commit advances
 * to it and it still exists. Throws `cursor-moved-back` when it committed more before, and `limit-exceeded`
 * when there are too many consumers.
 */
export async function commitConsumer(
  writer: BatchWriter,
  options: ConsumerCommitOptions,
): Promise<string | null> {
  const { log, name, position, rewind, blocked, failure, nowMs, mostConsumers, idleSince, before } = options;
  const now = new Date(nowMs).toISOString();
  const latest = latestActivity(nowMs);
  const rows = await writeConsumer(writer, [
    ...before,
    { sql: ADVANCED_TO, args: [log.id, name, position, log.base] },
    { sql: MAKE_ROOM_FOR, args: [log.id, name, mostConsumers, idleSince] },
    {
      sql: COMMIT_CONSUMER,
      args: [
        log.id,
        name,
        position,
        now,
        rewind ? 1 : 0,
        mostConsumers,
        latest,
        blocked,
        failure === null ? null : JSON.stringify(failure),
      ],
    },
  ]);
  const row = rows.at(-1);
  if (row === undefined) {
    const detail = `${log.name} has ${mostConsumers} consumers already`;
    throw new KildeError("limit-exceeded", detail, { limit: "consumers" });
  }
  const committed = integerAt(row, 0);
  const appended = rows.at(-3);
  if (committed <= position) return appended === undefined ? null : textAt(appended, 0);
  const detail = `${JSON.stringify(name)} has committed ${committed} already, and ${position} is before it`;
  throw new KildeError("cursor-moved-back", detail, { position: committed });
}
