import { databaseFile } from "../../core/database-url.ts";
import type { Database } from "../database.ts";
import { openWriteConnection } from "../embedded.ts";
import type { DatabaseLocation } from "../open.ts";
import { createInlineWriter } from "./inline-writer.ts";
import { systemClock } from "../../core/system-clock.ts";
import { type ConnectWriter, startWritingThread } from "./writer-thread-host.ts";

/** The bundler takes a worker in that is named like this. */
const THREAD_PROGRAM = new URL("./writer-thread.ts", import.meta.url);

/** A database as a server uses it. */
export interface ServerDatabase {
  /** May be used at once; what it is given to write opens it. */
  readonly database: Database;
  /** Resolves when it can be written. */
  open(): Promise<void>;
  /** Connects another thread that is to write as well; null where none is needed. */
  readonly connect: ConnectWriter | null;
  close(): Promise<void>;
}

export interface ThreadOptions {
  /** The program of the thread; null: this thread writes. Default: the one beside this file. */
  readonly program?: URL | null | undefined;
  /** The thread failed. `restartMs`: when it is started again; null: it is not, and nothing can be written any more. */
  readonly onFailure: (error: Error, restartMs: number | null) => void;
  /** The thread was started again, and can write. */
  readonly onRestart?: () => void;
}

/**
 * Gives a database that was opened in this thread a thread to write from, if that suits it: one in memory has one
 * connection, and one on a server never blocks, so that neither gains by it. Without a program for the thread
 * this one writes.
 */
export function writeFromThread(
  database: Database,
  { url }: DatabaseLocation,
  { program = THREAD_PROGRAM, onFailure, onRestart = () => {} }: ThreadOptions,
): ServerDatabase {
  const path = databaseFile(url);
  if (path === null || program === null) {
    return {
      database,
      open: () => Promise.resolve(),
      connect: null,
      close: () => Promise.resolve(database.close()),
    };
  }
  const thread = startWritingThread({ path, program, onFailure, onRestart });
  const { write, isWriting } = thread;
  const lone = createInlineWriter({
    open: () => openWriteConnection(path),
    write,
    isWriting,
    now: () => systemClock.monotonic(),
  });
  return {
    database: { ...database, ordered: true, write, writeAlone: lone.write },
    open: () => thread.open(),
    connect: thread.connect,
    async close() {
      await thread.close();
      lone.close();
      database.close();
    },
  };
}
