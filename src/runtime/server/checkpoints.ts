import { integerAt, type Database } from "../../storage/database.ts";
import type { EventLogger } from "../event-logger.ts";

const REMEDY =
  "If other servers write to it as well, start sqld with --checkpoint-interval-s 10: its writes stand still for good otherwise, sooner or later";

/**
 * Warns of a libSQL server that checkpoints within commits: with several connections that write, sqld then loses
 * wake-ups in its queue of writers, and answers no write any more until it is started again.
 */
export async function warnOfCheckpoints(database: Database, logger: EventLogger): Promise<void> {
  if (database.embedded) return;
  try {
    const [row] = await database.read({ sql: "pragma wal_autocheckpoint", args: [] });
    const pages = integerAt(row, 0);
    if (pages > 0) logger.warn({ pages, remedy: REMEDY }, "the libSQL server checkpoints within commits");
  } catch {
    // Another server than sqld need not tell.
  }
}
