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
  /** How logs are read from it. */
  readonly reading: LogReaderDeps;
  close(): void;
}

/** Opens the replica that the settings name, if they name one. */
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
  // Whoever follows sees what the replica has, and when it has it.
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
 * Warns of a replica that cannot be read, or has what its primary has not. A server starts without it: it appends, and
 * reads are answered when the replica can.
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
    // What was migrated just now is not there yet.
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
