import { databaseFile } from "../../core/database-url.ts";
import type { Database } from "../database.ts";
import { openWriteConnection } from "../embedded.ts";
import type { DatabaseLocation } from "../open.ts";
import { createInlineWriter } from "./inline-writer.ts";
import { systemClock } from "../../core/system-clock.ts";
import type { ConnectWriter } from "./writer-connections.ts";
import type { OnMeasured } from "./writer-run.ts";
import { startWritingThread } from "./writer-thread-host.ts";
import { createTroubleReports, type OnTrouble, troubleWith } from "./writer-trouble.ts";

/** The bundler includes a worker only when its URL is written like this. */
const THREAD_PROGRAM = new URL("./writer-thread.ts", import.meta.url);

/** A database in a server, with its writer thread. */
export interface ServerDatabase {
  /** Usable at once; its first write starts the thread. */
  readonly database: Database;
  /** Resolves when the database can be written. */
  open(): Promise<void>;
  /** Connects another thread that writes as well; null where the database needs no thread. */
  readonly connect: ConnectWriter | null;
  close(): Promise<void>;
}

export interface ThreadOptions {
  /** The program of the thread; null: this thread writes. Default: the one beside this file. */
  readonly program?: URL | null | undefined;
  /**
   * The thread failed. `restartMs`: when it restarts, in milliseconds; null: it does not, and no write succeeds any
   * more.
   */
  readonly onFailure: (error: unknown, restartMs: number | null) => void;
  /** The thread has restarted, and can write. */
  readonly onRestart?: () => void;
  /** Called once for each kind of work beside writes that failed in the thread. */
  readonly onTrouble: OnTrouble;
  /** Default: the thread is not measured. */
  readonly onMeasured?: OnMeasured;
  /** Called after the caches of this thread were freed, to release their memory, and garbage. */
  readonly onRelease?: (() => void) | undefined;
}

/**
 * Gives a database a writer thread where it benefits from one. A database in memory has one connection, and one on a
 * server never blocks, so neither benefits. Without a program for the thread this one writes.
 */
export function writeFromThread(
  database: Database,
  { url }: DatabaseLocation,
  {
    program = THREAD_PROGRAM,
    onFailure,
    onRestart = () => {},
    onTrouble,
    onMeasured = () => () => {},
    onRelease,
  }: ThreadOptions,
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
  const thread = startWritingThread({ path, program, onFailure, onRestart, onTrouble, onMeasured });
  const { write, isWriting } = thread;
  const onReleaseFailure = troubleWith("release-memory", createTroubleReports(onTrouble));
  const inline = createInlineWriter({
    open: () => openWriteConnection(path),
    write,
    isWriting,
    now: () => systemClock.monotonic(),
  });
  return {
    database: {
      ...database,
      ordered: true,
      write,
      writeAlone: inline.write,
      release() {
        try {
          database.release?.();
          inline.release();
          onRelease?.();
        } catch (error) {
          // The caches have a bound, and the next load's end releases them.
          onReleaseFailure(error);
        }
      },
    },
    open: () => thread.open(),
    connect: thread.connect,
    async close() {
      await thread.close();
      inline.close();
      database.close();
    },
  };
}
