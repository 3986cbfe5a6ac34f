import Connection from "libsql/promise";

import type { Statement } from "./database.ts";

/** Copies what no reader of the write-ahead log needs any more, and waits for nobody. */
export const CHECKPOINT: Statement = { sql: "pragma wal_checkpoint(passive)", args: [] };

/** Copies the write-ahead log of a file into the database, while others go on to read and write. */
export interface BackgroundCheckpoint {
  /** Rejects when it fails; nothing is lost then. */
  run(): Promise<void>;
  close(): void;
}

/** Runs on a thread of the driver, with a connection that is opened when it is needed first. */
export function openBackgroundCheckpoint(path: string): BackgroundCheckpoint {
  let connection: Connection | null = null;
  return {
    async run() {
      connection ??= new Connection(path, { timeout: 0 });
      await connection.exec(CHECKPOINT.sql);
    },
    close() {
      connection?.close();
      connection = null;
    },
  };
}
