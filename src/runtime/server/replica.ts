import type { Settings } from "../../config/settings.ts";
import { shownDatabaseUrl } from "../../core/database-url.ts";
import type { Database } from "../../storage/database.ts";
import { createHeadWatch, IDLE_INTERVAL_MS } from "../../log/follow/head-watch.ts";
import { EVENT_LOG_ADDRESS } from "../../log/keys.ts";
import { type DatabaseLocation, openReplica } from "../../storage/open.ts";
import type { LogReaderDeps } from "../../log/read/reader.ts";
import { SELECT_HEADS } from "../../log/read/select-heads.ts";
import { readHead } from "../../log/read/subjects.ts";
import type { EventLogger } from "../event-logger.ts";
import { systemClock } from "../../core/system-clock.ts";

/** A replica that reads go to. */
export interface Replica {
  /** Reads logs from the replica. */
  readonly reading: LogReaderDeps;
  close(): void;
}

/** Opens the replica in the settings; null: they name none. */
export function replicaOf(settings: Settings, fetch: NonNullable<DatabaseLocation["fetch"]>): Replica | null {
  const { readUrl: url, databaseAuthToken: authToken, limits, pollIntervalMs } = settings;
  if (url === undefined) return null;
  const clock = systemClock;
  const database = openReplica(
    { url, authToken, fetch },
    {
      clock,
      waitMs: limits.replicaWaitMs,
      selectHeads: SELECT_HEADS,
    },
  );
  // Followers receive the replica's events, when the replica has them.
  const heads = createHeadWatch({ database, clock, pollIntervalMs, idleIntervalMs: IDLE_INTERVAL_MS });
  return {
    reading: { database, clock, limits, pollIntervalMs, heads },
    close() {
      heads.close();
      database.close();
    },
  };
}

/**
 * Warns of a replica that cannot be read, or that has events which its primary lacks. A server starts without its
 * replica: it appends, and answers reads when the replica can be read.
 */
export async function warnOfReplica(
  { reading }: Replica,
  primary: Database,
  { readUrl = "" }: Settings,
  logger: EventLogger,
): Promise<void> {
  const fields = { readUrl: shownDatabaseUrl(readUrl) };
  const headOfReplica = () => readHead(reading.database, EVENT_LOG_ADDRESS);
  const again = async () => {
    // The replica may not have the migrations of this start yet.
    await systemClock.sleep(reading.limits.replicaWaitMs);
    return headOfReplica();
  };
  try {
    const replicaHead = await headOfReplica().catch(again);
    const head = await readHead(primary, EVENT_LOG_ADDRESS);
    if (replicaHead <= head) return;
    logger.warn(
      { ...fields, replicaHead, head },
      "readUrl has events that the database has not: it is no replica of it",
    );
  } catch (error) {
    logger.warn({ ...fields, err: error }, "the replica cannot be read now: reads are refused until it can");
  }
}
