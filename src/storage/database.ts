import type { Clock } from "../core/clock.ts";

export type Value = string | number | null;
export type Row = readonly unknown[];

export interface Statement {
  readonly sql: string;
  readonly args: readonly Value[];
}

export interface PurgeDeps {
  readonly clock: Pick<Clock, "monotonic" | "sleep">;
  /** Runs a write between those of others. */
  readonly write: (statements: readonly Statement[]) => Promise<readonly (readonly Row[])[]>;
  /** Ends it after the step that is under way: it is not complete then. */
  readonly signal: AbortSignal;
}

/**
 * The one way to storage, the same for an embedded file, a libSQL server and the edge.
 * `write` is one atomic transaction in one round trip; there are no interactive transactions, because they
 * behave differently in each deployment.
 */
export interface Database {
  /** Runs the statements in one atomic write transaction and gives each statement's rows. */
  write(statements: readonly Statement[]): Promise<readonly (readonly Row[])[]>;
  /**
   * The same, for a write while no other is under way or waits in this process. Default: `write`. It may run in this
   * thread where `write` does in another, and is done before anything that is given to `write` later.
   */
  readonly writeAlone?: (statements: readonly Statement[]) => ReturnType<Database["write"]>;
  /** Rows of one read. Sees every write that was acknowledged before; in a replica, all that a read before it saw. */
  read(statement: Statement): Promise<readonly Row[]>;
  /** True when the data lives in this process or in a file of this machine, so that calls block and answer at once. */
  readonly embedded: boolean;
  /**
   * True when a write may be given before the one before it is done: they run in the order they were given, and one
   * that was given before it could be known that another failed fails too, as a conflict.
   */
  readonly ordered: boolean;
  /**
   * True for a replica: it may not have yet what was written to the database that it follows. It is never written to,
   * and only read for what may be a moment old.
   */
  readonly replica: boolean;
  /**
   * Overwrites what rows that were deleted have left in the file and in its write-ahead log. Absent where the data is in
   * no file of this machine.
   */
  readonly purge?: (deps: PurgeDeps) => Promise<void>;
  close(): void;
}

/** Length of all texts among the arguments: about how much there is to write. */
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
