import type { Clock } from "../core/clock.ts";

export type Value = string | number | null;
export type Row = readonly unknown[];

export interface Statement {
  readonly sql: string;
  readonly args: readonly Value[];
}

export interface PurgeDeps {
  readonly clock: Pick<Clock, "monotonic" | "sleep">;
  /** Runs a write between other writes. */
  readonly write: (statements: readonly Statement[]) => Promise<readonly (readonly Row[])[]>;
  /** Stops the purge after the current step; the purge is incomplete then. */
  readonly signal: AbortSignal;
}

/**
 * The one port to storage, the same for an embedded file, a libSQL server and the edge. `write` is one atomic
 * transaction in one round trip; there are no interactive transactions, because they behave differently in each
 * deployment.
 */
export interface Database {
  /** Runs the statements in one atomic write transaction and returns each statement's rows. */
  write(statements: readonly Statement[]): Promise<readonly (readonly Row[])[]>;
  /**
   * Writes while no other write is in flight or queued in this process. It may run in this thread where `write` runs in
   * another, and completes before any write that is issued later. Default: `write`.
   */
  readonly writeAlone?: (statements: readonly Statement[]) => ReturnType<Database["write"]>;
  /**
   * Returns the rows of one read. It sees every write that was acknowledged before; on a replica, everything that an
   * earlier read included.
   */
  read(statement: Statement): Promise<readonly Row[]>;
  /** Returns the rows of several reads, from one round trip. Absent where a read is none. */
  readonly readTogether?: (statements: readonly Statement[]) => Promise<readonly (readonly Row[])[]>;
  /** True when the data lives in this process or in a file of this machine, so that calls block and return at once. */
  readonly embedded: boolean;
  /**
   * True when a write may be issued before the previous one completes. Writes run in the order in which they were
   * issued; one that was issued before the failure of an earlier one was known fails with a conflict.
   */
  readonly ordered: boolean;
  /**
   * True for a replica: it may lag behind the database that it follows. It is never written to, and serves only reads
   * that tolerate the lag.
   */
  readonly replica: boolean;
  /**
   * Overwrites the remains of deleted rows in the file and in its write-ahead log. Absent where the data is in no file
   * of this machine.
   */
  readonly purge?: (deps: PurgeDeps) => Promise<void>;
  /** Sizes of the file and of its write-ahead log, in bytes. Absent where the data is in no file of this machine. */
  readonly sizes?: () => Promise<{ readonly database: number; readonly wal: number }>;
  /** Frees caches of this thread. Later reads and writes fill them again. Absent where there are none. */
  readonly release?: () => void;
  close(): void;
}

/** Total length of the texts among the arguments, an estimate of the size of a write. */
export function charactersOf(statements: readonly Statement[]): number {
  let sum = 0;
  for (const { args } of statements) for (const arg of args) if (typeof arg === "string") sum += arg.length;
  return sum;
}

export function integerAt(row: Row | undefined, column: number): number {
  const value = row?.[column];
  if (typeof value !== "number") throw new TypeError(`column ${column} is not an integer: ${String(value)}`);
  return value;
}

export function textAt(row: Row | undefined, column: number): string {
  const value = row?.[column];
  if (typeof value !== "string") throw new TypeError(`column ${column} is not text: ${String(value)}`);
  return value;
}

export function integerOrNullAt(row: Row, column: number): number | null {
  return row[column] === null ? null : integerAt(row, column);
}

export function textOrNullAt(row: Row, column: number): string | null {
  return row[column] === null ? null : textAt(row, column);
}
