import { stat } from "node:fs/promises";

import Connection from "libsql";

import { openBackgroundCheckpoint } from "./background-checkpoint.ts";
import { storageFailure } from "./failures.ts";
import { type Database, integerAt, type Row, type Statement, textAt } from "./database.ts";
import { scrub } from "./scrub.ts";

/** How long a connection waits for another process's write lock on the file. */
const BUSY_TIMEOUT_MS = 5_000;

/**
 * Pages the write-ahead log may grow to before a commit copies it into the database: 40 MB. Larger than
 * SQLite's 1,000, because pages of the index on (subject, version) that many commits touch are copied once.
 */
const CHECKPOINT_PAGES = 10_000;

/** Page cache of a connection, in KiB. */
const CACHE_KIB = 32 * 1024;

/** Prepared statements that a connection keeps: more than there are kinds of statements. */
const PREPARED_STATEMENTS = 200;

/** How long to wait between attempts to change the journal mode, and how many to make. */
const RETRY_MS = 10;
const ATTEMPTS = BUSY_TIMEOUT_MS / RETRY_MS;

const SETTINGS = [
  // Every commit is on disk before it is acknowledged (guarantee 1).
  "pragma synchronous = full",
  `pragma wal_autocheckpoint = ${CHECKPOINT_PAGES}`,
  "pragma foreign_keys = on",
  // Erased data must not stay in the file: rows that are deleted, and pages that are freed, are overwritten.
  "pragma secure_delete = on",
];

const cacheSize = (kib: number) => `pragma cache_size = -${kib}`;

interface Prepared {
  readonly statement: ReturnType<Connection.Database["prepare"]>;
  /** Cached, since asking the driver costs a call. */
  readonly givesRows: boolean;
}

/** A connection that prepares each statement once: preparing costs more than running most of them. */
function openConnection(path: string, busyMs = BUSY_TIMEOUT_MS) {
  const connection = new Connection(path, { timeout: busyMs });
  const statements = new Map<string, Prepared>();
  const prepare = (sql: string): Prepared => {
    const kept = statements.get(sql);
    if (kept !== undefined) return kept;
    if (statements.size >= PREPARED_STATEMENTS) statements.clear();
    const statement = connection.prepare(sql);
    const givesRows = statement.reader;
    if (givesRows) statement.raw(true);
    const prepared = { statement, givesRows };
    statements.set(sql, prepared);
    return prepared;
  };
  /** Arguments are always given as an array: without one the driver aborts the process. */
  const run = ({ sql, args }: Statement): readonly Row[] => {
    const { statement, givesRows } = prepare(sql);
    if (givesRows) return statement.all([...args]) as Row[];
    statement.run([...args]);
    return [];
  };
  const close = () => {
    // The driver closes the file only when its statements are collected.
    statements.clear();
    connection.close();
  };
  return { connection, run, close };
}

/**
 * Turns the write-ahead log on; the file keeps that mode. The busy timeout does not apply to this statement, so
 * processes that start together on a new file collide and have to retry.
 */
function useWriteAheadLog({ connection, run }: ReturnType<typeof openConnection>): void {
  for (let attempt = 1; ; attempt += 1) {
    try {
      // A file without pages needs no rollback journal, which would cost three syncs.
      const isNew = integerAt(run({ sql: "pragma page_count", args: [] })[0], 0) === 0;
      if (isNew) connection.exec("pragma journal_mode = off");
      const [mode] = run({ sql: "pragma journal_mode = wal", args: [] });
      // A file system that supports no write-ahead log leaves the mode at `off`, in which a transaction cannot roll
      // back.
      if (textAt(mode, 0) === "off") connection.exec("pragma journal_mode = delete");
      return;
    } catch (error) {
      if (storageFailure(error) !== "busy" || attempt >= ATTEMPTS) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, RETRY_MS);
    }
  }
}

/**
 * Copies the write-ahead log into the file and empties it, so that the file alone is the database. Where another
 * connection still reads or writes, or the disk is full, the log stays: the next process to open the file reads it.
 */
function foldWriteAheadLog({ connection, run }: ReturnType<typeof openConnection>): void {
  try {
    connection.exec("pragma busy_timeout = 0");
    run({ sql: "pragma wal_checkpoint(truncate)", args: [] });
  } catch (error) {
    if (storageFailure(error) === "unknown") throw error;
  }
}

const BEGIN: Statement = { sql: "begin immediate", args: [] };
const COMMIT: Statement = { sql: "commit", args: [] };
const ROLLBACK: Statement = { sql: "rollback", args: [] };

/** Runs the statements in one transaction and returns each statement's rows. */
function transact(
  { connection, run }: ReturnType<typeof openConnection>,
  statements: readonly Statement[],
): readonly (readonly Row[])[] {
  run(BEGIN);
  try {
    const results = statements.map(run);
    run(COMMIT);
    return results;
  } catch (error) {
    // After some errors, such as a full disk, SQLite has already rolled back.
    if (connection.inTransaction) run(ROLLBACK);
    throw error;
  }
}

export interface WriteConnection {
  /** As `Database.write`; fails as `busy` at once while another connection writes the file. */
  readonly write: (statements: readonly Statement[]) => readonly (readonly Row[])[];
  /** As `Database.release`. */
  readonly release: () => void;
  readonly close: () => void;
}

const SHRINK: Statement = { sql: "pragma shrink_memory", args: [] };

/**
 * Opens a second connection for writes beside the writer thread. It never waits for a lock, and leaves checkpoints to
 * that thread.
 */
export function openWriteConnection(path: string): WriteConnection {
  const writer = openConnection(path, 0);
  try {
    for (const sql of [...SETTINGS, cacheSize(CACHE_KIB), "pragma wal_autocheckpoint = 0"])
      writer.connection.exec(sql);
  } catch (error) {
    writer.close();
    throw error;
  }
  return {
    write: (statements) => transact(writer, statements),
    release: () => void writer.run(SHRINK),
    close: writer.close,
  };
}

/** The size of a file in bytes; 0: there is none. */
async function sizeOf(file: string): Promise<number> {
  return (await stat(file).catch(() => null))?.size ?? 0;
}

/** A database in this process. */
export type EmbeddedDatabase = Database & Required<Pick<Database, "release">>;

/**
 * Opens a database in a file, or in memory (`:memory:`), with libSQL in this process. Calls block, so they are kept
 * short. Reads have a connection of their own: a snapshot, while another thread writes.
 */
export function openEmbedded(path: string, cacheKib = CACHE_KIB): EmbeddedDatabase {
  const writer = openConnection(path);
  let reader = writer;
  let closed = false;
  try {
    if (path !== ":memory:") {
      reader = openConnection(path);
      useWriteAheadLog(writer);
    }
    for (const sql of [...SETTINGS, cacheSize(cacheKib)]) {
      for (const { connection } of new Set([writer, reader])) connection.exec(sql);
    }
  } catch (error) {
    for (const { close } of new Set([writer, reader])) close();
    throw error;
  }
  const read = async (statement: Statement) => reader.run(statement);
  const background = path === ":memory:" ? null : openBackgroundCheckpoint(path);
  return {
    embedded: true,
    ordered: false,
    replica: false,
    ...(background === null
      ? {}
      : {
          purge: (deps) => scrub({ ...deps, read, emptyWal: () => background.truncate() }),
          sizes: async () => ({ database: await sizeOf(path), wal: await sizeOf(`${path}-wal`) }),
        }),
    async write(statements) {
      return transact(writer, statements);
    },
    read,
    release() {
      for (const { run } of new Set([writer, reader])) run(SHRINK);
    },
    close() {
      if (closed) return;
      closed = true;
      background?.close();
      try {
        if (path !== ":memory:") foldWriteAheadLog(writer);
      } finally {
        for (const { close } of new Set([writer, reader])) close();
      }
    },
  };
}
