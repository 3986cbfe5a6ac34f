import type { Clock } from "../core/clock.ts";
import { KildeError } from "../core/errors.ts";
import type { Database, Row, Statement } from "./database.ts";
import { storageError, storageFailure } from "./failures.ts";

/** The outcome of a batch for another log: its rows, and how long the database took; or a plan that was out of date. */
export type Written =
  | { readonly outcome: "written"; readonly rows: readonly (readonly Row[])[]; readonly durationMs: number }
  | { readonly outcome: "outdated" };

/** Writing logs that are not appended to from outside, such as feeds. */
export interface BatchWriter {
  /**
   * Runs statements in one atomic transaction, between two commits. Nothing is written when they rest on what is no
   * longer so. Throws a KildeError when storage fails; then the outcome is unknown.
   */
  write(statements: readonly Statement[]): Promise<Written>;
  /** Deletes in the background what batches have erased. */
  sweep(): void;
}

/** Runs the statements of a batch; see `BatchWriter`. */
export async function writeBatch(
  database: Database,
  clock: Clock,
  statements: readonly Statement[],
): Promise<Written> {
  const started = clock.monotonic();
  try {
    const rows = await database.write(statements);
    return { outcome: "written", rows, durationMs: clock.monotonic() - started };
  } catch (error) {
    const failure = storageFailure(error);
    // A libSQL server that is busy says so at once; whoever planned tries again as after a conflict.
    if (failure === "conflict" || (failure === "busy" && !database.embedded)) return { outcome: "outdated" };
    throw storageError(error);
  }
}

/** How often a write that rests on no plan is tried while the database is busy. */
const BUSY_ATTEMPTS = 50;

/** Writes statements that rest on nothing that others may change. Throws `overloaded` when the database stays busy. */
export async function writeUnplanned(
  writer: BatchWriter,
  statements: readonly Statement[],
): Promise<Extract<Written, { outcome: "written" }>> {
  for (let attempt = 1; attempt <= BUSY_ATTEMPTS; attempt += 1) {
    const written = await writer.write(statements);
    if (written.outcome === "written") return written;
  }
  throw new KildeError("overloaded", `The database was busy ${BUSY_ATTEMPTS} times in a row`);
}
