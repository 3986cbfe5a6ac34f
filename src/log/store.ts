import { EVENT_LOG_ADDRESS } from "./keys.ts";
import { migrate } from "./migrate.ts";
import { type LogReader, type LogReaderDeps, openLogReader } from "./read/reader.ts";
import { type LogWriter, openLogWriter } from "./append/writer.ts";

/** The event log, for reading and writing, in one thread. */
export interface Store {
  readonly reader: LogReader;
  readonly writer: LogWriter;
  /** Commits what was accepted, ends all followers and closes the database. */
  close(): Promise<void>;
}

/** Opens the store on a database, bringing its schema up to date first; `reading` where it is read from a replica. */
export async function openStore(deps: LogReaderDeps, reading: LogReaderDeps = deps): Promise<Store> {
  await migrate(deps.database);
  const reader = openLogReader(reading, EVENT_LOG_ADDRESS);
  const writer = openLogWriter({ ...deps, onNews: (news) => reader.learn(news) });
  return {
    reader,
    writer,
    async close() {
      reader.close();
      await writer.close();
      deps.database.close();
    },
  };
}
