import Connection from "libsql/promise";

import type { Statement } from "./database.ts";

/** Copies what no reader of the write-ahead log needs any more, and waits for nobody. */
export const CHECKPOINT: Statement = { sql: "pragma wal_checkpoint(passive)", args: [] };

/** How long emptying the log waits for readers and writers, who wait for it meanwhile. */
const TRUNCATE_WAIT_MS = 100;

/** Copies the write-ahead log of a file into the database, while others go on to read and write. */
export interface BackgroundCheckpoint {
  /** Rejects when it fails; nothing is lost then. */
  run(): Promise<void>;
  /** Copies all of it, and empties it. False: a connection was reading or writing for longer than this waits. */
  truncate(): Promise<boolean>;
  close(): void;
}

/** Runs on a thread of the driver, with a connection that is opened when it is needed first. */
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
      // Writers wait while the log is emptied: most of it is copied before.
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
