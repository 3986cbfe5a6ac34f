import type { Settings } from "../config/settings.ts";
import { migrate } from "../log/migrate.ts";
import { openDatabase } from "../log/open.ts";
import type { ServerLog } from "./logger.ts";

/** A server that runs in this process. */
export interface RunningServer {
  readonly port: number;
  /** Takes no more requests, answers those it has, commits, and closes the database. */
  close(): Promise<void>;
}

export interface StartOptions {
  readonly settings: Settings;
  readonly version: string;
  readonly log: ServerLog;
}

/** Starts serving on the database that the settings name, bringing its schema up to date first. */
export async function startServer(options: StartOptions): Promise<RunningServer> {
  const { databaseUrl: url, databaseAuthToken: authToken } = options.settings;
  const database = openDatabase({ url, authToken });
  try {
    await migrate(database);
    // Loaded when it is known which: a writing thread has no use for the HTTP surface, and its memory.
    if (url.startsWith("file:")) {
      const { startThreads } = await import("./threads.ts");
      return await startThreads(database, options);
    }
    const { startOneThread } = await import("./one-thread.ts");
    return await startOneThread(database, options);
  } catch (error) {
    database.close();
    throw error;
  }
}
