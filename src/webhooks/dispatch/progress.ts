import { recordEntries } from "../../administration/entry.ts";
import { deferred } from "../../core/deferred.ts";
import { KildeError } from "../../core/errors.ts";
import type { Row, Statement } from "../../storage/database.ts";
import type { EventsBeside } from "../../log/append/append-beside.ts";
import { isLeaseOf, type Lease, release, renewal } from "../../storage/lease.ts";
import { integerAt } from "../../storage/database.ts";
import { isUnanswered, storageFailure } from "../../storage/failures.ts";
import { type BatchWriter, writeUnplanned } from "../../storage/batch-writer.ts";
import type { AttemptRecord } from "../subscriptions/attempts.ts";
import { type KeptAttempt, saveKept } from "../subscriptions/kept-attempts.ts";
import type {
  EndpointTrouble,
  FrozenBatch,
  Rewind,
  StoredLane,
  SubjectTally,
} from "../subscriptions/subscription.ts";

/*
 * Stores the progress of subscriptions. Nothing is written if a request moved the subscription, or another process
 * holds its lease.
 */

/** The progress of a subscription. */
export interface StoredProgress {
  readonly id: string;
  readonly epoch: number;
  readonly lease: Lease;
  /** Whether the write releases the lease. */
  readonly isLast: boolean;
  readonly cursor: number;
  readonly rewind: Rewind | null;
  readonly batch: FrozenBatch | null;
  readonly trouble: EndpointTrouble | null;
  readonly upserts: readonly StoredLane[];
  /** Subjects that no longer need a row; `all`: no subject needs one. */
  readonly deletes: readonly number[] | "all";
  readonly tally: SubjectTally | null;
  /** Entries of the log of administration; null: none. */
  readonly entries: EventsBeside | null;
  /** RFC 3339, of the entries. */
  readonly now: string;
  /** Null: unchanged. */
  readonly attempts: readonly AttemptRecord[] | null;
  /** Attempts to add, with their contents. */
  readonly kept: readonly KeptAttempt[];
}

const HELD = `epoch = ?2 and ${isLeaseOf("?3", "?4", "?5")}`;

/** SQL condition: the subscription has this epoch, and the writer holds its lease. */
const GUARD = `exists (select 1 from subscriptions where id = ?1 and ${HELD})`;

export const SAVE_PROGRESS = `
update subscriptions set cursor = ?6, rewind = ?7, batch = ?8, trouble = ?9, tally = ?10 where id = ?1 and ${HELD}
returning revision`;

/** Argument 6: JSON of rows. They are materialized because SQLite writes a row's text again for each expression on it. */
export const SAVE_LANES = `
with lane as materialized (select value from json_each(?6))
insert into subscription_subjects
  (subscription, subject, next, stop, resume, frozen, attempts, due, error, since, ahead, wait)
select ?1, lane.value ->> 0, lane.value ->> 1, lane.value ->> 2, lane.value ->> 3, lane.value ->> 4,
  lane.value ->> 5, lane.value ->> 6, lane.value ->> 7, lane.value ->> 8, lane.value ->> 9, lane.value ->> 10
from lane where ${GUARD}
on conflict (subscription, subject) do update set next = excluded.next, stop = excluded.stop,
  resume = excluded.resume, frozen = excluded.frozen, attempts = excluded.attempts, due = excluded.due,
  error = excluded.error, since = excluded.since, ahead = excluded.ahead,
  wait = excluded.wait`;

/** Argument 6: JSON of subject ids. */
export const DELETE_LANES = `
delete from subscription_subjects
where subscription = ?1 and subject in (select value from json_each(?6)) and ${GUARD}`;

const DELETE_ALL_LANES = `delete from subscription_subjects where subscription = ?1 and ${GUARD}`;

const SAVE_ATTEMPTS = `
insert into subscription_attempts (subscription, attempts) select ?1, ?6 where ${GUARD}
on conflict (subscription) do update set attempts = excluded.attempts`;

function json(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value);
}

function laneRow(row: StoredLane): readonly unknown[] {
  const { subject, next, stop, resume, frozen, attempts, due, error, since, ahead, wait } = row;
  return [subject, next, stop, resume, frozen, attempts, due, error, since, ahead ? 1 : 0, wait];
}

function progressStatements(progress: StoredProgress): Statement[] {
  const { id, epoch, lease, isLast, cursor, rewind, batch, trouble, upserts, deletes, attempts } = progress;
  const { tally, entries, now } = progress;
  const guard = [id, epoch, lease.name, lease.holder, lease.token];
  const state = [cursor, json(rewind), json(batch), json(trouble), json(tally)];
  const statements: Statement[] = [
    { sql: SAVE_PROGRESS, args: [...guard, ...state] },
    ...(entries === null ? [] : recordEntries(entries, now, "changed")),
  ];
  if (upserts.length > 0)
    statements.push({ sql: SAVE_LANES, args: [...guard, JSON.stringify(upserts.map(laneRow))] });
  if (deletes === "all") statements.push({ sql: DELETE_ALL_LANES, args: guard });
  else if (deletes.length > 0)
    statements.push({ sql: DELETE_LANES, args: [...guard, JSON.stringify(deletes)] });
  if (attempts !== null) statements.push({ sql: SAVE_ATTEMPTS, args: [...guard, JSON.stringify(attempts)] });
  statements.push(...saveKept({ sql: GUARD, args: guard }, id, progress.kept));
  // Last, since the statements before it require the lease.
  statements.push(isLast ? release(lease) : renewal(lease));
  return statements;
}

/** Stores progress; returns the subscription's revision, or null when the writer no longer holds it. */
export type SaveProgress = (progress: StoredProgress) => Promise<number | null>;

interface Waiting {
  readonly statements: readonly Statement[];
  readonly resolve: (rows: readonly Row[]) => void;
  readonly reject: (error: unknown) => void;
}

/** Whether storage failed, independent of the written data: then no other write succeeds either. */
function isOfStorage(error: unknown): boolean {
  if (error instanceof KildeError && error.code === "overloaded") return true;
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const failure = storageFailure(cause);
  return isUnanswered(cause) || (failure !== "conflict" && failure !== "unknown");
}

/**
 * Stores the progress of all subscriptions of a process: one commit at a time, for all that are queued. If it fails,
 * each is written alone, so that a row that storage rejects holds back only its own subscription.
 */
export function createProgressWriter(writer: BatchWriter): SaveProgress {
  let waiting: Waiting[] = [];
  let writing = false;

  const write = async (group: readonly Waiting[]) => {
    const { rows } = await writeUnplanned(
      writer,
      group.flatMap(({ statements }) => statements),
    );
    let place = 0;
    for (const { statements, resolve } of group) {
      resolve(rows[place] ?? []);
      place += statements.length;
    }
  };

  const writeEach = async (group: readonly Waiting[], error: unknown) => {
    let failure = isOfStorage(error) || group.length === 1 ? { error } : null;
    for (const one of group) {
      if (failure === null) {
        await write([one]).catch((own: unknown) => {
          one.reject(own);
          if (isOfStorage(own)) failure = { error: own };
        });
      } else {
        one.reject(failure.error);
      }
    }
  };

  const writeAll = async () => {
    writing = true;
    while (waiting.length > 0) {
      const group = waiting;
      waiting = [];
      await write(group).catch((error: unknown) => writeEach(group, error));
    }
    writing = false;
  };

  return async (progress) => {
    const { promise, resolve, reject } = deferred<readonly Row[]>();
    waiting.push({ statements: progressStatements(progress), resolve, reject });
    if (!writing) void writeAll();
    const [row] = await promise;
    return row === undefined ? null : integerAt(row, 0);
  };
}
