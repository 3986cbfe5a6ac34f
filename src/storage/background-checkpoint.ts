import Connection from "libsql/promise";

import type { Statement } from "./database.ts";

/** Copies the pages of the write-ahead log that no reader needs any more, without waiting for any connection. */
export const CHECKPOINT: Statement = { sql: "pragma wal_checkpoint(passive)", args: [] };

/** How long a truncating checkpoint waits for readers and writers; new ones wait for it meanwhile. */
const TRUNCATE_WAIT_MS = 100;

/** Copies the write-ahead log of a file into the database while other connections continue to read and write. */
export interface BackgroundCheckpoint {
  /** Rejects when the checkpoint fails; no data is lost then. */
  run(): Promise<void>;
  /** Copies all of the log and empties it. False: a connection read or wrote for longer than `TRUNCATE_WAIT_MS`. */
  truncate(): Promise<boolean>;
  close(): void;
}

/** Runs checkpoints on a thread of the driver, over a connection that the first checkpoint opens. */
export function openBackgroundCheckpoint(path: string): BackgroundCheckpoint {
  let connection: Connection | null = null;
  let patient: Connection | null = null;
  const run = async () => {
    connection ??= new Connection(path, { timeout: 0 });
    await connection.exec(CHECKPOINT.sql);
  };
  return {
    run,
    async truncate() {
      // Writers wait while the log is emptied, so most of it is copied before.
      await run();
      patient ??= new Connection(path, { timeout: TRUNCATE_WAIT_MS });
      const statement = await patient.prepare("pragma wal_checkpoint(truncate)");
      const [busy] = (await statement.raw(true).get([])) as readonly unknown[];
      return busy === 0;
    },
    close() {
      connection?.close();
      patient?.close();
      connection = null;
      patient = null;
    },
  };
}
