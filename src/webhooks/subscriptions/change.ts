import { KildeError } from "../../core/errors.ts";
import type { Database, Statement } from "../../storage/database.ts";
import type { LogAddress } from "../../log/keys.ts";
import { type BatchWriter, writeUnplanned } from "../../storage/batch-writer.ts";
import { forgetLease } from "../../storage/lease.ts";
import type { SubscriptionCreator } from "./creator.ts";
import { trimKept } from "./kept-attempts.ts";
import { leaseName } from "./lease-name.ts";
import { readSubscription } from "./record.ts";
import { withRange } from "./rewind-ranges.ts";
import type { RewindRange, StoredSecrets, SubscriptionRecord, SubscriptionConfig } from "./subscription.ts";

/*
 * Changes stored subscriptions, from any process; the dispatcher detects the change. After a change of the
 * configuration (`revision`) it stores its progress and continues with the new one. After a redelivery, retry or skip
 * on request (`epoch`) it starts again from the stored state, and repeats the deliveries in flight.
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
  /** Default: none. */
  readonly creator?: SubscriptionCreator | null;
}

/** Arguments: id, log id, config, secrets, now, cursor, limit, creator. Returns a row unless there are too many. */
const INSERT = `
insert into subscriptions (id, log, config, secrets, created, since, cursor, creator)
select ?1, ?2, ?3, ?4, ?5, ?5, ?6, ?8 where (select count(*) from subscriptions) < ?7 returning 1`;

function json(value: object | null): string | null {
  return value === null ? null : JSON.stringify(value);
}

async function write(writer: BatchWriter, statements: readonly Statement[]): Promise<boolean> {
  const { rows } = await writeUnplanned(writer, statements);
  return (rows[0]?.length ?? 0) > 0;
}

/*
 * `recorded`: statements that record a change in the log of administration. They go right after the statement that makes
 * the change.
 */

/** Stores a subscription; false when the limit is reached. */
export function addSubscription(
  writer: BatchWriter,
  added: SubscriptionRow,
  recorded: readonly Statement[] = [],
): Promise<boolean> {
  const { id, log, config, secrets, now, cursor, mostSubscriptions, creator = null } = added;
  const stored = [JSON.stringify(config), JSON.stringify(secrets)];
  const args = [id, log.id, ...stored, now, cursor, mostSubscriptions, json(creator)];
  return write(writer, [{ sql: INSERT, args }, ...recorded]);
}

/**
 * The effect of a changed configuration on pending deliveries:
 * - `none`: nothing
 * - `retry`: rejected events are retried at once, since the endpoint may accept them now, or they may no longer be
 * selected
 *
 * The next mode takes over the stored state of another one when it opens it; see `pending-deliveries.ts`.
 */
export type ChangeEffect = "none" | "retry";

/** Arguments: id, revision, config, secrets, creator. */
const CHANGE = `
update subscriptions set config = ?3, secrets = ?4, creator = ?5, revision = revision + 1`;

const RETRY = ", epoch = epoch + 1, trouble = null";

const RETRY_LANES = `update subscription_subjects set due = 0 where subscription = ?1 and attempts > 0
  and exists (select 1 from subscriptions where id = ?1 and revision = ?2 + 1)`;

/** Changes configuration or secrets if the subscription still has this revision; false otherwise. */
export function changeSubscription(
  writer: BatchWriter,
  { id, revision }: Pick<SubscriptionRecord, "id" | "revision">,
  { config, secrets, creator }: Pick<SubscriptionRecord, "config" | "secrets" | "creator">,
  effect: ChangeEffect,
  recorded: readonly Statement[] = [],
): Promise<boolean> {
  const set = effect === "retry" ? RETRY : "";
  const sql = `${CHANGE}${set} where id = ?1 and revision = ?2 returning 1`;
  const args = [id, revision, JSON.stringify(config), JSON.stringify(secrets), json(creator)];
  const lanes: Statement[] = effect === "retry" ? [{ sql: RETRY_LANES, args: [id, revision] }] : [];
  return write(writer, [{ sql, args }, ...recorded, ...lanes, ...trimKept(id)]);
}

const HAS_BLOCKED = "exists (select 1 from subscription_subjects where subscription = ?1 and attempts > 0)";

/** A pause for a reason, or the end of one: `reason` null. */
export interface PauseChange {
  readonly id: string;
  readonly reason: string | null;
  /** RFC 3339. */
  readonly now: string;
  /** The sender that resumes it, and so becomes the creator if it was paused. Default: nobody. */
  readonly creator?: SubscriptionCreator | null;
}

/**
 * Pauses a subscription, for a reason, or resumes it. Resuming retries an endpoint that is down and blocked subjects at
 * once, also where the subscription is already active. False for an unknown id.
 */
export function setPaused(
  writer: BatchWriter,
  { id, reason, now, creator = null }: PauseChange,
  recorded: readonly Statement[] = [],
): Promise<boolean> {
  const status = reason === null ? "active" : "paused";
  // The dispatcher must not overwrite this with its own state of the endpoint and its subjects.
  const sql = `update subscriptions set since = iif(status = ?2, since, ?4), status = ?2, reason = ?3,
    creator = iif(?3 is null and status = 'paused', ?5, creator),
    epoch = epoch + (?3 is null and (trouble is not null or ${HAS_BLOCKED})), trouble = iif(?3 is null, null, trouble),
    revision = revision + 1 where id = ?1 returning 1`;
  const retry = {
    sql: "update subscription_subjects set due = 0, wait = null where subscription = ?1 and attempts > 0",
    args: [id],
  };
  const change = { sql, args: [id, status, reason, now, json(creator)] };
  return write(writer, [change, ...recorded, ...(reason === null ? [retry] : [])]);
}

/** Removes a subscription with all its stored state; false for an unknown id. */
export function removeSubscription(
  writer: BatchWriter,
  id: string,
  recorded: readonly Statement[] = [],
): Promise<boolean> {
  const statement = (sql: string): Statement => ({ sql, args: [id] });
  return write(writer, [
    statement("update subscriptions set revision = revision + 1 where id = ?1 returning 1"),
    ...recorded,
    statement("delete from subscription_subjects where subscription = ?1"),
    statement("delete from subscription_skips where subscription = ?1"),
    statement("delete from subscription_attempts where subscription = ?1"),
    statement("delete from kept_attempts where subscription = ?1"),
    forgetLease(leaseName(id)),
    statement("delete from subscriptions where id = ?1"),
  ]);
}

const MOVED = "update subscriptions set epoch = epoch + 1 where id = ?1";

/** Retries a blocked subject at once, also while its endpoint is paused; false when it is not blocked. */
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

/**
 * Skips the event that blocks a subject, records the skip, and continues with the next one; false when another event
 * blocks it.
 */
export async function skipBlocked(
  writer: BatchWriter,
  {
    id,
    subject,
    version,
    now,
  }: { readonly id: string; readonly subject: number; readonly version: number; readonly now: string },
  recorded: readonly Statement[] = [],
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
    ...recorded,
    {
      sql: `update subscription_subjects set next = ?3 + 1, frozen = null, attempts = 0, due = 0, error = null,
        since = null where ${blocked}`,
      args: [id, subject, version],
    },
    { sql: MOVED, args: [id] },
  ]);
}

/** A range of a subject to redeliver; see `lane.ts`. */
export interface SubjectRewind {
  readonly subject: number;
  readonly next: number;
  readonly stop: number | null;
  readonly resume: number;
}

/**
 * Redelivers ranges of subjects. A blocked subject is retried at once; its `resume` is the first version that it has
 * not acknowledged, if that is known here.
 */
export function addSubjectRewinds(
  writer: BatchWriter,
  id: string,
  rewinds: readonly SubjectRewind[],
  recorded: readonly Statement[] = [],
): Promise<boolean> {
  const rows = rewinds.map(({ subject, next, stop, resume }) => [subject, next, stop, resume]);
  return write(writer, [
    { sql: `${MOVED} returning 1`, args: [id] },
    ...recorded,
    {
      sql: `insert into subscription_subjects (subscription, subject, next, stop, resume, due)
        select ?1, rewind.value ->> 0, rewind.value ->> 1, rewind.value ->> 2,
          iif(rewind.value ->> 2 is null, null, rewind.value ->> 3), 0
        from json_each(?2) as rewind where true
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

/** Attempts at a rewind while others change the subscription. */
const REWIND_ATTEMPTS = 50;

/**
 * Starts a redelivery of a range for all subjects; while another one is in progress, the range is queued. False for an
 * unknown id.
 */
export async function beginRewind(
  database: Database,
  writer: BatchWriter,
  { id, after, upTo }: { readonly id: string } & RewindRange,
  recorded: readonly Statement[] = [],
): Promise<boolean> {
  const sql = `update subscriptions set epoch = epoch + 1, rewind = ?2
    where id = ?1 and epoch = ?3 and json(rewind) is json(?4) returning 1`;
  for (let attempt = 0; attempt < REWIND_ATTEMPTS; attempt += 1) {
    const found = await readSubscription(database, id);
    if (found === null) return false;
    const before = found.rewind === null ? null : JSON.stringify(found.rewind);
    const rewind = JSON.stringify(withRange(found.rewind, { after, upTo }));
    if (await write(writer, [{ sql, args: [id, rewind, found.epoch, before] }, ...recorded])) return true;
  }
  throw new KildeError("overloaded", "The subscription was moved by others again and again");
}
