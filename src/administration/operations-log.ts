import type { OwnPath } from "../core/own-paths.ts";
import type { LogAddress } from "../log/keys.ts";
import type { LogState } from "../log/log-state.ts";
import { type LogReader, type LogReaderDeps, openLogReader } from "../log/read/reader.ts";
import { findLog } from "../log/read/subjects.ts";
import type { Database } from "../storage/database.ts";

/** Path of the log of administration. A migration creates the log; its id differs between databases. */
export const OPERATIONS_PATH = "/operations" satisfies OwnPath;

/** Looks up the address of the log of administration. */
export async function operationsAddress(database: Database): Promise<LogAddress> {
  const found = await findLog(database, OPERATIONS_PATH);
  if (found === null) throw new Error(`the database has no log ${OPERATIONS_PATH}`);
  return found;
}

/** The log of administration, for reading. It is looked up at the first use, so that a start does not wait for it. */
export interface OperationsLog {
  reader(): Promise<LogReader>;
  /** Looks for new entries at once, and wakes followers. Null: nobody has read the log yet. */
  look(): Promise<LogState | null>;
  /** Discards the entries in memory, because some were truncated. */
  truncated(): void;
  /** Ends all followers. */
  close(): void;
}

export interface OperationsLogDeps {
  readonly database: Database;
  /** Reads the log for requests. */
  readonly reading: LogReaderDeps;
}

export function openOperationsLog({ database, reading }: OperationsLogDeps): OperationsLog {
  let opening: Promise<LogReader> | null = null;
  let opened: LogReader | null = null;
  let isClosed = false;
  const open = async () => {
    opened = openLogReader(reading, await operationsAddress(database));
    if (isClosed) opened.close();
    return opened;
  };
  return {
    reader() {
      opening ??= open().catch((error: unknown) => {
        // The next use looks again.
        opening = null;
        throw error;
      });
      return opening;
    },
    look: async () => (opened === null ? null : opened.state()),
    truncated: () => opened?.notify("truncated"),
    close() {
      isClosed = true;
      opened?.close();
    },
  };
}
