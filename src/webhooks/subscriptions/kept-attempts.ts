import { EVENT_ERASED_TYPE } from "../../core/event.ts";
import {
  type Database,
  integerAt,
  type Row,
  type Statement,
  textAt,
  type Value,
  textOrNullAt,
  integerOrNullAt,
} from "../../storage/database.ts";

/*
 * Attempts with their requests and answers, of subscriptions that ask for it (`keepAttempts`). They are stored with the
 * progress of the dispatcher, and a trigger on `subjects` removes their contents in the batch that erases a subject.
 */

/** Most attempts of each outcome that a subscription may keep. */
export const MOST_KEPT_ATTEMPTS = 1_000;

/** Characters of a request's body that are kept. */
export const KEPT_BODY = 4_096;

/** Bytes of an answer's body that are kept. */
export const KEPT_ANSWER = 1_024;

/** Most events and subjects of an attempt that are kept; the contents of an attempt with more are not. */
export const KEPT_EVENTS = 256;

/** Versions of a subject that an attempt delivered. */
export type KeptSubject = readonly [subject: number, first: number, last: number];

/** An attempt with its contents, to store. */
export interface KeptAttempt {
  /** When it ended, in milliseconds since 1970. */
  readonly ended: number;
  readonly durationMs: number;
  readonly webhookId: string;
  /** Null for an attempt that is not about one subject. */
  readonly subject: string | null;
  /** Null when it was acknowledged. */
  readonly error: string | null;
  /** Null when the endpoint did not answer. */
  readonly status: number | null;
  readonly subjects: readonly KeptSubject[];
  readonly positions: readonly number[];
  /** Prefix of all of its subjects. */
  readonly prefix: string;
  readonly url: string;
  /** Without credentials. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
  readonly answer: string | null;
}

/** SQL condition: the database has no longer all events of the attempt with these subjects (JSON of `KeptSubject`s). */
const isGone = (subjects: string) => `exists (
  select 1 from json_each(${subjects}) as delivered cross join subjects as subject on subject.id = delivered.value ->> 0
  where subject.first_version > delivered.value ->> 1 or (subject.log > 0 and exists (select 1 from events as event
    where event.subject = subject.id and event.version between delivered.value ->> 1 and delivered.value ->> 2
      and event.type = '${EVENT_ERASED_TYPE}')))`;

const insertKept = (guard: string) => `
with attempt as materialized (select sent.value, ${isGone("sent.value -> 6")} as gone from json_each(?6) as sent)
insert into kept_attempts (subscription, failed, ended, duration, webhook, name, subject, subjects, positions, prefix,
  status, error, url, headers, body, answer)
select ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
  value ->> 8, value ->> 9, value ->> 10, value ->> 11, value ->> 12, iif(gone, null, value ->> 13),
  iif(gone, null, value ->> 14)
from attempt where ${guard}`;

/** Deletes the oldest attempts of an outcome beyond the number that the subscription keeps now. Arguments: id, outcome. */
const TRIM = `
delete from kept_attempts where subscription = ?1 and failed = ?2 and id <= (
  select id from kept_attempts where subscription = ?1 and failed = ?2 order by id desc limit 1
  offset (select coalesce(config ->> '$.keepAttempts', 0) from subscriptions where id = ?1))`;

/** Statements of a batch: delete the attempts that a subscription does not keep any more. */
export function trimKept(subscription: string): Statement[] {
  return [0, 1].map((failed) => ({ sql: TRIM, args: [subscription, failed] }));
}

function rowOf(attempt: KeptAttempt): readonly unknown[] {
  const { error, ended, durationMs, webhookId, subject, subjects, positions, prefix, status } = attempt;
  const only = subjects.length === 1 ? subjects[0]?.[0] : null;
  const place = [subject, only, subjects, positions, prefix];
  const sent = [attempt.url, attempt.headers, attempt.body, attempt.answer];
  return [error === null ? 0 : 1, ended, durationMs, webhookId, ...place, status, error, ...sent];
}

/** Statements of the batch that stores progress: add attempts. `guard`: condition on the arguments 1 to 5. */
export function saveKept(
  guard: { readonly sql: string; readonly args: readonly Value[] },
  subscription: string,
  attempts: readonly KeptAttempt[],
): Statement[] {
  if (attempts.length === 0) return [];
  const args = [...guard.args, JSON.stringify(attempts.map(rowOf))];
  return [{ sql: insertKept(guard.sql), args }, ...trimKept(subscription)];
}

/** A stored attempt. */
export interface StoredAttempt extends Omit<KeptAttempt, "subjects"> {
  /** Grows with time. */
  readonly id: number;
}

function storedAttempt(row: Row): StoredAttempt {
  const text = (column: number) => textOrNullAt(row, column);
  return {
    id: integerAt(row, 0),
    ended: integerAt(row, 1),
    durationMs: integerAt(row, 2),
    webhookId: textAt(row, 3),
    subject: text(4),
    positions: JSON.parse(textAt(row, 5)) as number[],
    prefix: textAt(row, 6),
    status: integerOrNullAt(row, 7),
    error: text(8),
    url: textAt(row, 9),
    headers: JSON.parse(textAt(row, 10)) as Record<string, string>,
    body: text(11),
    answer: text(12),
  };
}

export type AttemptOutcome = "delivered" | "failed";

/** The ids are found by an index alone, so that only the contents of one page are read. */
export const LIST_KEPT = `
select id, ended, duration, webhook, name, positions, prefix, status, error, url, headers, body, answer
from kept_attempts where id in (select id from kept_attempts
  where subscription = ?1 and failed in (select value from json_each(?2)) and id < ?3 order by id desc limit ?4)
order by id desc`;

export interface KeptQuery {
  /** Null: of both outcomes. */
  readonly outcome: AttemptOutcome | null;
  /** Only attempts before the one with this id; null: the latest. */
  readonly before: number | null;
  readonly limit: number;
}

/** Lists the kept attempts of a subscription, the latest first. */
export async function listKept(
  database: Database,
  subscription: string,
  { outcome, before, limit }: KeptQuery,
): Promise<StoredAttempt[]> {
  const failed = outcome === null ? [0, 1] : [outcome === "failed" ? 1 : 0];
  const args = [subscription, JSON.stringify(failed), before ?? Number.MAX_SAFE_INTEGER, limit];
  return (await database.read({ sql: LIST_KEPT, args })).map(storedAttempt);
}
