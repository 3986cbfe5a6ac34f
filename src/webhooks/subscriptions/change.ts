import { KildeError } from "../../core/errors.ts";
import type { Database, Statement } from "../../storage/database.ts";
import type { LogAddress } from "../../log/keys.ts";
import { type BatchWriter, writeUnplanned } from "../../storage/batch-writer.ts";
import { readSubscription } from "./record.ts";
import { withRange } from "./rewind-ranges.ts";
import type { RewindRange, StoredSecrets, SubscriptionRecord, SubscriptionConfig } from "./subscription.ts";

/*
 * Changing what is stored of subscriptions, from any process: whoever delivers one finds out. What it is asked to do
 * (`revision`) it takes up after storing how far it is; where what is delivered is moved from outside (`epoch`), it
 * begins anew from what is stored, and repeats what was under way.
 */

export interface SubscriptionRow {
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
export function addSubscription(writer: BatchWriter, added: SubscriptionRow): Promise<boolean> {
  const { id, log, config, secrets, now, cursor, mostSubscriptions } = added;
  const args = [id, log.id, JSON.stringify(config), JSON.stringify(secrets), now, cursor, mostSubscriptions];
  return write(writer, [{ sql: INSERT, args }]);
}

/**
 * What a change of the configuration means for what is under way:
 * - `none`: nothing
 * - `retry`: what was refused is tried at once, since it may be taken now, or not be selected any more
 *
 * What is stored of one mode is taken over by the next when it is opened; see `outbox.ts`.
 */
export type ChangeEffect = "none" | "retry";

/** Arguments: id, revision, config, secrets. */
const CHANGE = `
update subscriptions set config = ?3, secrets = ?4, revision = revision + 1`;

const RETRY = ", epoch = epoch + 1, trouble = null";

const RETRY_LANES = `update subscription_subjects set due = 0 where subscription = ?1 and attempts > 0
  and exists (select 1 from subscriptions where id = ?1 and revision = ?2 + 1)`;

/** Changes what was asked for, or what it is signed with, if it is still of a revision; false when it is not. */
export function changeSubscription(
  writer: BatchWriter,
  { id, revision }: Pick<SubscriptionRecord, "id" | "revision">,
  { config, secrets }: Pick<SubscriptionRecord, "config" | "secrets">,
  effect: ChangeEffect,
): Promise<boolean> {
  const set = effect === "retry" ? RETRY : "";
  const sql = `${CHANGE}${set} where id = ?1 and revision = ?2 returning 1`;
  const args = [id, revision, JSON.stringify(config), JSON.stringify(secrets)];
  const lanes: Statement[] = effect === "retry" ? [{ sql: RETRY_LANES, args: [id, revision] }] : [];
  return write(writer, [{ sql, args }, ...lanes]);
}

const HAS_BLOCKED = "exists (select 1 from subscription_subjects where subscription = ?1 and attempts > 0)";

/**
 * Pauses a subscription, for a reason, or resumes it: what was down or blocked is then tried at once, also where it is
 * active already. False when there is none.
 */
export function setPaused(
  writer: BatchWriter,
  { id, reason, now }: { readonly id: string; readonly reason: string | null; readonly now: string },
): Promise<boolean> {
  const status = reason === null ? "active" : "paused";
  // The dispatcher must not store that the endpoint is down, or when its subjects were due.
  const sql = `update subscriptions set since = iif(status = ?2, since, ?4), status = ?2, reason = ?3,
    epoch = epoch + (?3 is null and (trouble is not null or ${HAS_BLOCKED})), trouble = iif(?3 is null, null, trouble),
    revision = revision + 1 where id = ?1 returning 1`;
  const retry = {
    sql: "update subscription_subjects set due = 0, wait = null where subscription = ?1 and attempts > 0",
    args: [id],
  };
  return write(writer, [{ sql, args: [id, status, reason, now] }, ...(reason === null ? [retry] : [])]);
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

/** Has a blocked subject tried again at once, also while its endpoint is left alone; false when it is not blocked. */
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
    { sql: "update subscriptions set epoch = epoch + 1, trouble = null where id = ?1", args: [id] },
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
          next = min(next, excluded.next),
          stop = case when excluded.stop is null then null
            when stop is null then iif(next <= excluded.next, null, excluded.stop)
            else max(stop, excluded.stop) end,
          resume = case when excluded.stop is null then null
            when stop is null then iif(next <= excluded.next, null, max(excluded.stop + 1, next))
            else max(excluded.stop + 1, stop + 1, coalesce(resume, next)) end,
          frozen = null, attempts = 0, due = 0, error = null, since = null`,
      args: [id, JSON.stringify(rows)],
    },
  ]);
}

/** How often a rewind is tried while the subscription is being moved by others. */
const REWIND_ATTEMPTS = 50;

/** Begins a redelivery of a range for all subjects; while one is under way, the range waits for it. False when there is none. */
export async function beginRewind(
  database: Database,
  writer: BatchWriter,
  { id, after, upTo }: { readonly id: string } & RewindRange,
): Promise<boolean> {
  const sql = `update subscriptions set epoch = epoch + 1, rewind = ?2
    where id = ?1 and epoch = ?3 and json(rewind) is json(?4) returning 1`;
  for (let attempt = 0; attempt < REWIND_ATTEMPTS; attempt += 1) {
    const found = await readSubscription(database, id);
    if (found === null) return false;
    const before = found.rewind === null ? null : JSON.stringify(found.rewind);
    const rewind = JSON.stringify(withRange(found.rewind, { after, upTo }));
    if (await write(writer, [{ sql, args: [id, rewind, found.epoch, before] }])) return true;
  }
  throw new KildeError("overloaded", "The subscription was moved by others again and again");
}
