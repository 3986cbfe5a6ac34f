import type { EntryType } from "../../administration/catalog.ts";
import { recordEntries } from "../../administration/entry.ts";
import { type Database, type Row, type Statement, textAt } from "../../storage/database.ts";
import type { VersionRange } from "../../log/erase/generations.ts";
import type { LogAddress } from "../../log/keys.ts";

/*
 * The effects of retiring, clearing or erasing within a log on its subscriptions. Of all the webhooks' files, feeds import this one
 * alone; `test/architecture.test.ts` enforces it.
 */

/** Reason of the pause of a subscription whose log was retired. */
export const SOURCE_RETIRED = "source retired";

/** Ids of the active subscriptions to a log. */
export async function activeSubscriptions(database: Database, { id }: LogAddress): Promise<string[]> {
  const sql = "select id from subscriptions where log = ?1 and status = 'active' order by id";
  return (await database.read({ sql, args: [id] })).map((row) => textAt(row, 0));
}

/** A statement for a batch: pauses the subscriptions to a retired log. `now`: RFC 3339. Returns their ids. */
export function pauseRetired({ id }: LogAddress, now: string): Statement {
  const sql = `update subscriptions set status = 'paused', reason = ?2, since = ?3, revision = revision + 1
    where log = ?1 and status = 'active' returning id`;
  return { sql, args: [id, SOURCE_RETIRED, now] };
}

const PAUSED: EntryType = "kilde.subscription.paused";

/** Arguments: 3 principal, 4 reason, 5 log id. */
const FIND_ACTIVE = `(select json_group_array(json_array('/subscriptions/' || id, '${PAUSED}',
    json_object('principal', ?3, 'reason', ?4)))
  from subscriptions where log = ?5 and status = 'active')`;

/** Goes before {@link pauseRetired}: records the pauses that it makes. */
export function recordRetiredPauses({ id }: LogAddress, by: string | null, now: string): Statement[] {
  return recordEntries({ sql: FIND_ACTIVE, args: [by, SOURCE_RETIRED, id] }, now, "always");
}

/** Ids in the rows of {@link pauseRetired}. */
export function pausedIn(rows: readonly Row[]): string[] {
  return rows.map((row) => textAt(row, 0));
}

const SUBSCRIPTIONS = "select id from subscriptions where log = ?1";

/** Statements for a batch: delete the stored state of a log's subjects, whose ids may be reused. */
export function forgetSubjects({ id }: LogAddress): Statement[] {
  return [
    { sql: `delete from subscription_subjects where subscription in (${SUBSCRIPTIONS})`, args: [id] },
    { sql: `delete from kept_attempts where subscription in (${SUBSCRIPTIONS})`, args: [id] },
    { sql: `delete from subscription_skips where subscription in (${SUBSCRIPTIONS})`, args: [id] },
  ];
}

/**
 * {@link forgetSubjects}, and every dispatcher of the log starts again from the stored state: after this batch, none stores
 * anything about the subjects that it knew.
 */
export function forgetDeliveries(log: LogAddress): Statement[] {
  const sql = "update subscriptions set epoch = epoch + 1, rewind = null, batch = null where log = ?1";
  return [...forgetSubjects(log), { sql, args: [log.id] }];
}

/** A statement of the batch that erases events in place: removes the contents of their attempts. */
export function forgetKeptContents(ranges: readonly VersionRange[]): Statement {
  return {
    sql: `with erased as materialized (select value ->> 0 as subject from json_each(?1))
      update kept_attempts set body = null, answer = null where subject in (select subject from erased)
        or id in (select attempt from kept_attempt_subjects where subject in (select subject from erased))`,
    args: [JSON.stringify(ranges)],
  };
}
