import { sleep } from "../core/timer.ts";

/*
 * Two transactions may want the same rows in different orders. The database then ends one of them, whose work is undone
 * and can be done again.
 */

/** PostgreSQL: deadlock detected, serialization failure. SQLite: another connection has the file. */
const CODES = new Set(["40P01", "40001", "SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT"]);

/** How often a transaction is tried; others may meet again. */
const ATTEMPTS = 6;
const DELAY_MS = 10;

/** Whether the database ended a transaction in favor of another one; drivers and handlers wrap its error. */
export function isContention(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ("code" in cause && CODES.has(String(cause.code))) return true;
  }
  return false;
}

/** Runs a transaction, again while it loses against others. */
export async function retryContended<Result>(transaction: () => Promise<Result>): Promise<Result> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await transaction();
    } catch (error) {
      if (attempt >= ATTEMPTS || !isContention(error)) throw error;
      // The database ends one of them: they need no chance to miss each other.
      await sleep(DELAY_MS * 2 ** attempt);
    }
  }
}
