import { sleep } from "../core/timer.ts";

/**
 * Two transactions may lock the same rows in different orders. The database then aborts one of them, whose work is
 * undone and can be repeated.
 */

/** PostgreSQL: deadlock detected, serialization failure. SQLite: another connection has the file. */
const CODES = new Set(["40P01", "40001", "SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT"]);

/** Most attempts of a transaction; it may conflict again. */
const ATTEMPTS = 6;
const DELAY_MS = 10;

/** Whether the database aborted a transaction in favor of another one; drivers and handlers wrap its error. */
export function isContention(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ("code" in cause && CODES.has(String(cause.code))) return true;
  }
  return false;
}

/** Runs a transaction, and repeats it while the database aborts it in favor of others. */
export async function retryContended<Result>(transaction: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await transaction();
    } catch (error) {
      if (attempt >= ATTEMPTS || !isContention(error)) throw error;
      // No random part: the database aborts only one of the two.
      await sleep(DELAY_MS * 2 ** attempt);
    }
  }
}
