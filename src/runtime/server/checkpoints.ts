import { integerAt, type Database } from "../../storage/database.ts";
import type { EventLogger } from "../event-logger.ts";

const REMEDY =
  "If other servers write to it as well, start sqld with --checkpoint-interval-s 10: otherwise its writes stop permanently, sooner or later";

/**
 * Warns of a libSQL server that checkpoints within commits: with several writing connections, sqld then loses
 * wake-ups in its queue of writers, and answers no write until it is restarted.
 */
export async function warnOfCheckpoints(database: Database, logger: EventLogger): Promise<void> {
  if (database.embedded) return;
  try {
    const [row] = await database.read({ sql: "pragma wal_autocheckpoint", args: [] });
    const pages = integerAt(row, 0);
    if (pages > 0) logger.warn({ pages, remedy: REMEDY }, "the libSQL server checkpoints within commits");
  } catch {
    // Only sqld has this pragma; another server may refuse it.
  }
}
