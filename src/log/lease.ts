import { type Database, integerAt, type Statement, textAt } from "./database.ts";
import type { BatchWriter } from "./writer.ts";

/*
 * A lease is held by at most one process, by the database's clock. Its token grows with each change of holder and is
 * checked inside of every write, so that a holder that was taken for dead cannot write any more. A process of a higher
 * rank takes the lease from one of a lower rank at any time, in the same safe way.
 */

/** How long a lease outlives its holder's last sign of life. */
export const LEASE_MS = 5_000;

/**
 * A lease that expires further ahead than this is void: the database's clock was ahead when the lease was taken, and
 * was corrected since. Twice the length of a lease, so that a clock which is adjusted by a little voids none.
 */
export const LONGEST_LEASE_MS = 2 * LEASE_MS;

export interface Lease {
  readonly name: string;
  readonly holder: string;
  readonly token: number;
  /** The database's time when it was taken, in milliseconds since 1970. */
  readonly takenMs: number;
}

/** SQL: the database's time, in milliseconds since 1970. */
export const NOW = "cast(unixepoch('subsec') * 1000 as integer)";

/** SQL: whether a lease binds anybody, by the column that has its expiry. */
export function isRunning(expires: string): string {
  return `${expires} > ${NOW} and ${expires} <= ${NOW} + ${LONGEST_LEASE_MS}`;
}

/** Arguments: name, holder, milliseconds, rank. Gives a row with the token and the time, or none when another holds it. */
export const TAKE_LEASE = `
insert into leases (name, holder, token, expires, rank) values (?1, ?2, 1, ${NOW} + ?3, ?4)
on conflict (name) do update set token = token + (holder <> excluded.holder), holder = excluded.holder,
  expires = excluded.expires, rank = excluded.rank
where holder = excluded.holder or rank < excluded.rank or not (${isRunning("expires")})
returning token, ${NOW}`;

/** Takes a lease that is free, or renews it; null while another holds it. */
export async function takeLease(
  writer: BatchWriter,
  name: string,
  holder: string,
  rank = 0,
): Promise<Lease | null> {
  const written = await writer.write([{ sql: TAKE_LEASE, args: [name, holder, LEASE_MS, rank] }]);
  const row = written.outcome === "written" ? written.rows[0]?.[0] : undefined;
  return row === undefined ? null : { name, holder, token: integerAt(row, 0), takenMs: integerAt(row, 1) };
}

/** Part of a batch: the holder is alive. */
export function renewal({ name, holder, token }: Lease): Statement {
  return {
    sql: `update leases set expires = ${NOW} + ?4 where name = ?1 and holder = ?2 and token = ?3`,
    args: [name, holder, token, LEASE_MS],
  };
}

/** Part of a batch: lets others have it at once. */
export function release({ name, holder, token }: Lease): Statement {
  return {
    sql: "update leases set expires = 0 where name = ?1 and holder = ?2 and token = ?3",
    args: [name, holder, token],
  };
}

/** Lets others have it at once. */
export async function releaseLease(writer: BatchWriter, lease: Lease): Promise<void> {
  await writer.write([release(lease)]);
}

/** Whether no other holder of the same or a higher rank has it now. */
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

export interface LastHolder {
  readonly holder: string;
  readonly rank: number;
}

/** Who had the lease last, whether it is running or not. */
export async function lastHolder(database: Database, name: string): Promise<LastHolder | null> {
  const [row] = await database.read({ sql: "select holder, rank from leases where name = ?1", args: [name] });
  return row === undefined ? null : { holder: textAt(row, 0), rank: integerAt(row, 1) };
}
