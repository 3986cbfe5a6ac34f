import type { Clock } from "../core/clock.ts";
import { KildeError } from "../core/errors.ts";
import type { Database, Row, Statement } from "./database.ts";
import { storageError, storageFailure } from "./failures.ts";

/** The outcome of a batch: its rows and how long the database took, or a conflict with a later state. */
export type Written =
  | { readonly outcome: "written"; readonly rows: readonly (readonly Row[])[]; readonly durationMs: number }
  | { readonly outcome: "outdated" };

/** Writes atomic batches of statements to a store. */
export interface BatchWriter {
  /**
   * Runs statements in one atomic transaction, between two commits. Writes nothing when the state that they were
   * planned on has changed. Throws a KildeError when storage fails; the outcome is unknown then.
   */
  write(statements: readonly Statement[]): Promise<Written>;
  /** Wakes the sweeper, which deletes the events that batches have erased. */
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
    // A busy libSQL server refuses at once; the caller retries as after a conflict.
    if (failure === "conflict" || (failure === "busy" && !database.embedded)) return { outcome: "outdated" };
    throw storageError(error);
  }
}

/** Attempts at a write without a plan while the database is busy. */
const BUSY_ATTEMPTS = 50;

/**
 * Writes statements that depend on no state that others may change. Throws `overloaded` when the database stays busy.
 */
export async function writeUnplanned(
  writer: Pick<BatchWriter, "write">,
  statements: readonly Statement[],
): Promise<Extract<Written, { outcome: "written" }>> {
  for (let attempt = 1; attempt <= BUSY_ATTEMPTS; attempt += 1) {
    const written = await writer.write(statements);
    if (written.outcome === "written") return written;
  }
  throw new KildeError("overloaded", `The database was busy ${BUSY_ATTEMPTS} times in a row`);
}
