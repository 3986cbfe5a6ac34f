import type { Statement } from "../log/database.ts";
import type { LogAddress } from "../log/keys.ts";
import { type BatchWriter, writeUnplanned } from "../log/writer.ts";
import type { StoredSecrets, Subscription, SubscriptionConfig } from "./subscription.ts";

/*
 * Changing what is stored of subscriptions, from any process: whoever delivers one finds out. What it is asked to do
 * (`revision`) it takes up after storing how far it is; where what is delivered is moved from outside (`epoch`), it
 * begins anew from what is stored, and repeats what was under way.
 */

export interface NewSubscription {
  readonly id: string;
  readonly log: LogAddress;
  readonly config: SubscriptionConfig;
  readonly secrets: StoredSecrets;
  /** Position after which events are delivered. */
  readonly cursor: number;
  /** RFC 3339. */
  readonly now: string;
  readonly mostSubscriptions: number;
}

/** Arguments: id, log id, config, secrets, now, cursor, limit. Gives a row unless there are too many. */
const INSERT = `
insert into subscriptions (id, log, config, secrets, created, since, cursor)
select ?1, ?2, ?3, ?4, ?5, ?5, ?6 where (select count(*) from subscriptions) < ?7 returning 1`;

async function write(writer: BatchWriter, statements: readonly Statement[]): Promise<boolean> {
  const { rows } = await writeUnplanned(writer, statements);
  return (rows[0]?.length ?? 0) > 0;
}

/** Stores a subscription; false when there are as many as there may be. */
export function addSubscription(writer: BatchWriter, added: NewSubscription): Promise<boolean> {
  const { id, log, config, secrets, now, cursor, mostSubscriptions } = added;
  const args = [id, log.id, JSON.stringify(config), JSON.stringify(secrets), now, cursor, mostSubscriptions];
  return write(writer, [{ sql: INSERT, args }]);
}

/**
 * What a change of what was asked for means for what is under way:
 * - `none`: it goes on
 * - `retry`: what was refused is tried at once, since it may be taken now, or not be selected any more
 * - `ring`: a doorbell has no subjects; it rings for the first event that was not acknowledged, and those after it
 */
export type ChangeEffect = "none" | "retry" | "ring";

/** Arguments: id, revision, config, secrets. */
const CHANGE = `
update subscriptions set config = ?3, secrets = ?4, revision = revision + 1`;

const RETRY = ", epoch = epoch + 1, trouble = null";

/** Argument 5: base key of the log. */
const RING = `${RETRY}, batch = null, cursor = min(cursor, coalesce((
  select min((select event.key from events as event
    where event.subject = lane.subject and event.version >= lane.next order by event.version limit 1))
  from subscription_subjects as lane where lane.subscription = ?1) - ?5 - 1, cursor))`;

const CHANGED = "exists (select 1 from subscriptions where id = ?1 and revision = ?2 + 1)";

const LANES_AFTER = {
  none: [],
  retry: [`update subscription_subjects set due = 0 where subscription = ?1 and attempts > 0 and ${CHANGED}`],
  ring: [`delete from subscription_subjects where subscription = ?1 and ${CHANGED}`],
} as const;

/** Changes what was asked for, or what it is signed with, if it is still of a revision; false when it is not. */
export function changeSubscription(
  writer: BatchWriter,
  { id, log, revision }: Pick<Subscription, "id" | "log" | "revision">,
  { config, secrets }: Pick<Subscription, "config" | "secrets">,
  effect: ChangeEffect,
): Promise<boolean> {
  const set = { none: "", retry: RETRY, ring: RING }[effect];
  const stored = [JSON.stringify(config), JSON.stringify(secrets)];
  return write(writer, [
    {
      sql: `${CHANGE}${set} where id = ?1 and revision = ?2 returning 1`,
      args: [id, revision, ...stored, ...(effect === "ring" ? [log.base] : [])],
    },
    ...LANES_AFTER[effect].map((sql): Statement => ({ sql, args: [id, revision] })),
  ]);
}

/** Pauses a subscription, for a reason, or lets it go on; false when there is none. */
export function setPaused(
  writer: BatchWriter,
  { id, reason, now }: { readonly id: string; readonly reason: string | null; readonly now: string },
): Promise<boolean> {
  const status = reason === null ? "active" : "paused";
  // One that was down is tried at once when somebody asks for it: whoever delivers it must not store that it is.
  const sql = `update subscriptions set since = iif(status = ?2, since, ?4), status = ?2, reason = ?3,
    epoch = epoch + (?3 is null and trouble is not null), trouble = iif(?3 is null, null, trouble),
    revision = revision + 1 where id = ?1 returning 1`;
  return write(writer, [{ sql, args: [id, status, reason, now] }]);
}

/** Removes a subscription with all that is stored of it; false when there is none. */
export function removeSubscription(writer: BatchWriter, id: string): Promise<boolean> {
  const statement = (sql: string): Statement => ({ sql, args: [id] });
  return write(writer, [
    statement("update subscriptions set revision = revision + 1 where id = ?1 returning 1"),
    statement("delete from subscription_subjects where subscription = ?1"),
    statement("delete from subscription_skips where subscription = ?1"),
    statement("delete from subscription_attempts where subscription = ?1"),
    statement("delete from leases where name = 'subscriptions/' || ?1"),
    statement("delete from subscriptions where id = ?1"),
  ]);
}

const MOVED = "update subscriptions set epoch = epoch + 1 where id = ?1";

/** Has a blocked subject tried again at once; false when it is not blocked. */
export function retryBlocked(
  writer: BatchWriter,
  { id, subject }: { readonly id: string; readonly subject: number },
): Promise<boolean> {
  return write(writer, [
    {
      sql: `update subscription_subjects set due = 0
        where subscription = ?1 and subject = ?2 and attempts > 0 returning 1`,
      args: [id, subject],
    },
    { sql: MOVED, args: [id] },
  ]);
}

/** Gives up the event that blocks a subject, on record, and goes on with the next; false when that is not what blocks it. */
export async function skipBlocked(
  writer: BatchWriter,
  {
    id,
    subject,
    version,
    now,
  }: { readonly id: string; readonly subject: number; readonly version: number; readonly now: string },
): Promise<boolean> {
  const blocked = "subscription = ?1 and subject = ?2 and next <= ?3 and attempts > 0";
  return write(writer, [
    {
      sql: `insert into subscription_skips (subscription, subject, version, time, attempts, error)
        select subscription, subject, ?3, ?4, attempts, error from subscription_subjects where ${blocked}
        on conflict do update set time = excluded.time, attempts = excluded.attempts, error = excluded.error
        returning 1`,
      args: [id, subject, version, now],
    },
    {
      sql: `update subscription_subjects set next = ?3 + 1, frozen = null, attempts = 0, due = 0, error = null,
        since = null where ${blocked}`,
      args: [id, subject, version],
    },
    { sql: MOVED, args: [id] },
  ]);
}

/** Where a subject is sent back to; see `lane.ts`. */
export interface WayBack {
  readonly subject: number;
  readonly next: number;
  readonly stop: number | null;
  readonly resume: number;
}

/**
 * Sends subjects back. One that is blocked is tried again at once; its `resume` is the first version that it has not
 * acknowledged, if that is known here.
 */
export function sendSubjectsBack(
  writer: BatchWriter,
  id: string,
  ways: readonly WayBack[],
): Promise<boolean> {
  const rows = ways.map(({ subject, next, stop, resume }) => [subject, next, stop, resume]);
  return write(writer, [
    { sql: `${MOVED} returning 1`, args: [id] },
    {
      sql: `insert into subscription_subjects (subscription, subject, next, stop, resume, due)
        select ?1, way.value ->> 0, way.value ->> 1, way.value ->> 2,
          iif(way.value ->> 2 is null, null, way.value ->> 3), 0
        from json_each(?2) as way where true
        on conflict do update set
          stop = iif(excluded.next < next, excluded.stop, stop),
          resume = iif(excluded.next < next and excluded.stop is not null,
            max(excluded.stop + 1, coalesce(resume, next)), iif(excluded.next < next, null, resume)),
          next = min(next, excluded.next), frozen = null, attempts = 0, due = 0, error = null, since = null`,
      args: [id, JSON.stringify(rows)],
    },
  ]);
}

/** Begins a redelivery of a range for all subjects; one that is under way is widened. */
export function beginRewind(
  writer: BatchWriter,
  { id, after, upTo }: { readonly id: string; readonly after: number; readonly upTo: number },
): Promise<boolean> {
  // Numbers are bound as REAL, and would be written as such.
  const [from, to] = ["cast(?2 as integer)", "cast(?3 as integer)"];
  const start = `min(${from}, coalesce(rewind ->> 'after', ${from}))`;
  const sql = `update subscriptions set epoch = epoch + 1, rewind = json_object('after', ${start},
      'upTo', max(${to}, coalesce(rewind ->> 'upTo', ${to})), 'walked', ${start})
    where id = ?1 returning 1`;
  return write(writer, [{ sql, args: [id, after, upTo] }]);
}
