import type { Clock } from "../core/clock.ts";
import { type Database, integerAt, type Statement, textAt } from "./database.ts";
import type { BatchWriter } from "./batch-writer.ts";

/*
 * At most one process holds a lease, by the database's clock. The token grows with each change of holder, beyond the
 * tokens of all other leases, so that tokens order the changes of all leases. Every write checks the token, so a holder
 * that was presumed dead cannot write any more. A process of a higher rank takes the lease from one of a lower rank at
 * any time, in the same safe way. So does a process that knows that the holder's process has ended: it names the holder
 * and the token that it judged, so that a lease that changed hands since is not taken.
 *
 * A holder that takes its own lease again keeps the token, unless it begins a new term: after a write whose outcome it does
 * not know, so that the database refuses that write if it arrives later.
 */

/** How long a lease lasts after its holder last renewed it. */
export const LEASE_MS = 5_000;

/**
 * A lease that expires further ahead than this is void: the database's clock was ahead when the lease was taken, and
 * was corrected since. Twice the length of a lease, so that a small adjustment of the clock voids none.
 */
export const LONGEST_LEASE_MS = 2 * LEASE_MS;

export interface Lease {
  readonly name: string;
  readonly holder: string;
  readonly token: number;
  /** The database's time when the lease was taken, in milliseconds since 1970. */
  readonly takenMs: number;
}

/** SQL: the database's time, in milliseconds since 1970. */
export const NOW = "cast(unixepoch('subsec') * 1000 as integer)";

/** SQL condition: the lease is in force. `expires` is the column of its expiry. */
export function isRunning(expires: string): string {
  return `${expires} > ${NOW} and ${expires} <= ${NOW} + ${LONGEST_LEASE_MS}`;
}

/** SQL: whether a lease is still as it was taken, by expressions for its name, holder and token. */
export function isLeaseOf(name: string, holder: string, token: string): string {
  return `exists (select 1 from leases where name = ${name} and holder = ${holder} and token = ${token})`;
}

/** SQL: joins the last lease of each row, as `lease`, by an expression for its name. */
export function joinLease(name: string): string {
  return `left join leases as lease on lease.name = ${name}`;
}

/** Part of a batch: removes a lease with the object that it was for. */
export function forgetLease(name: string): Statement {
  return { sql: "delete from leases where name = ?1", args: [name] };
}

/** A lease as stored, in force or expired. */
export interface HeldLease {
  readonly name: string;
  readonly holder: string;
  readonly token: number;
  readonly rank: number;
}

/**
 * Whether the process of a lease's holder has ended, so that it never acts again. False when this process cannot know,
 * as for a holder on another machine: then the lease's expiry decides.
 */
export type HasEnded = (lease: Pick<HeldLease, "name" | "holder" | "token">) => boolean;

/**
 * How often a process that waits for other holders checks whether one of them has ended; the check reads no database.
 */
const ENDED_LOOK_MS = 200;

/**
 * Arguments: name, holder, milliseconds, rank, holder and token of the lease whose holder has ended, or nulls, and 1 for a new term.
 * Returns a row with the token and the time, or none when another process holds the lease.
 */
export const TAKE_LEASE = `
insert into leases (name, holder, token, expires, rank)
values (?1, ?2, (select coalesce(max(token), 0) + 1 from leases), ${NOW} + ?3, ?4)
on conflict (name) do update set token = iif(holder = excluded.holder and not ?7, token, excluded.token), holder = excluded.holder,
  expires = excluded.expires, rank = excluded.rank
where holder = excluded.holder or rank < excluded.rank or not (${isRunning("expires")})
  or (holder = ?5 and token = ?6)
returning token, ${NOW}`;

export interface TakeOptions {
  /** Default: 0. */
  readonly rank?: number;
  /** The holder whose process has ended. Default: none is known to have. */
  readonly ended?: HeldLease | null;
  /** Whether the token changes although the holder is the same. Default: false. */
  readonly isNewTerm?: boolean;
}

/** Takes or renews a lease. Returns null while another process holds it, unless that holder is the `ended` one. */
export async function takeLease(
  writer: BatchWriter,
  name: string,
  holder: string,
  { rank = 0, ended = null, isNewTerm = false }: TakeOptions = {},
): Promise<Lease | null> {
  const term = isNewTerm ? 1 : 0;
  const args = [name, holder, LEASE_MS, rank, ended?.holder ?? null, ended?.token ?? null, term];
  const written = await writer.write([{ sql: TAKE_LEASE, args }]);
  const row = written.outcome === "written" ? written.rows[0]?.[0] : undefined;
  return row === undefined ? null : { name, holder, token: integerAt(row, 0), takenMs: integerAt(row, 1) };
}

/** A statement for a batch: renews the lease. */
export function renewal({ name, holder, token }: Lease): Statement {
  return {
    sql: `update leases set expires = ${NOW} + ?4 where name = ?1 and holder = ?2 and token = ?3`,
    args: [name, holder, token, LEASE_MS],
  };
}

/** A statement for a batch: releases the lease, so that another process may take it at once. */
export function release({ name, holder, token }: Lease): Statement {
  return {
    sql: "update leases set expires = 0 where name = ?1 and holder = ?2 and token = ?3",
    args: [name, holder, token],
  };
}

/** Releases a lease, so that another process may take it at once. */
export async function releaseLease(writer: BatchWriter, lease: Lease): Promise<void> {
  await writer.write([release(lease)]);
}

/** Whether no other holder of the same or a higher rank holds the lease now. */
export async function isFreeFor(
  database: Database,
  name: string,
  holder: string,
  rank = 0,
): Promise<boolean> {
  const [row] = await database.read({
    sql: `select count(*) from leases where name = ?1 and holder <> ?2 and rank >= ?3 and ${isRunning("expires")}`,
    args: [name, holder, rank],
  });
  return integerAt(row, 0) === 0;
}

/** The lease as it was last taken, in force or expired; null when it was never taken. */
export async function lastHolder(database: Database, name: string): Promise<HeldLease | null> {
  const [row] = await database.read({
    sql: "select holder, token, rank from leases where name = ?1",
    args: [name],
  });
  if (row === undefined) return null;
  return { name, holder: textAt(row, 0), token: integerAt(row, 1), rank: integerAt(row, 2) };
}

export interface TakeOverDeps {
  readonly database: Database;
  readonly writer: BatchWriter;
  readonly holder: string;
  readonly hasEnded: HasEnded;
}

/** Takes a lease before it expires if the holder's process is known to have ended; otherwise returns null. */
export async function takeOver(
  { database, writer, holder, hasEnded }: TakeOverDeps,
  name: string,
  rank = 0,
): Promise<Lease | null> {
  const last = await lastHolder(database, name);
  if (last === null || !hasEnded(last)) return null;
  return takeLease(writer, name, holder, { rank, ended: last });
}

/** Leases of other holders that a process waits for. */
export interface AwaitedLeases {
  readonly leases: readonly Omit<HeldLease, "rank">[];
  readonly hasEnded: HasEnded;
}

/** Sleeps for `ms`, or until the process of one of the holders ends. */
export async function sleepUnlessEnded(
  clock: Clock,
  ms: number,
  { leases, hasEnded }: AwaitedLeases,
  signal: AbortSignal,
): Promise<void> {
  const wakeMs = clock.monotonic() + ms;
  for (let left = ms; left > 0 && !signal.aborted; left = wakeMs - clock.monotonic()) {
    if (leases.some(hasEnded)) return;
    await clock.sleep(leases.length === 0 ? left : Math.min(left, ENDED_LOOK_MS), signal);
  }
}
