import { closeSync, existsSync, openSync, readSync, statSync } from "node:fs";
import { resolve } from "node:path";

import Connection from "libsql";

import { databaseFileUrl } from "../core/database-url.ts";
import { fileBehind } from "../core/file-behind.ts";
import type { Database, Row } from "./database.ts";

/** Files that SQLite keeps beside a database. */
export const SIDECARS = ["-wal", "-shm", "-journal"] as const;

/** Sidecars that hold part of the database's content. */
export const CONTENT_SIDECARS = ["-wal", "-journal"] as const;

const HEADER_BYTES = 100;
const MAGIC = "SQLite format 3\0";
/** Offset in the header of the format that readers need: 2 with a write-ahead log, 1 without. */
const READ_VERSION_OFFSET = 19;
const WRITE_AHEAD_LOG = 2;

/** How long a reader waits for a lock, which only a file without a write-ahead log takes from readers. */
const BUSY_TIMEOUT_MS = 5_000;

export type DatabaseFileKind = "empty" | "not-a-database" | "rollback-journal" | "write-ahead-log";

/** Classifies a file by its first bytes, without opening it as a database. */
export function databaseFileKind(file: string): DatabaseFileKind {
  const descriptor = openSync(file, "r");
  try {
    const header = Buffer.alloc(HEADER_BYTES);
    const bytes = readSync(descriptor, header, 0, HEADER_BYTES, 0);
    if (bytes === 0) return "empty";
    if (bytes < HEADER_BYTES || header.toString("latin1", 0, MAGIC.length) !== MAGIC) return "not-a-database";
    return header[READ_VERSION_OFFSET] === WRITE_AHEAD_LOG ? "write-ahead-log" : "rollback-journal";
  } finally {
    closeSync(descriptor);
  }
}

/** Whether a file exists and is not empty. */
export function holdsBytes(file: string): boolean {
  return existsSync(file) && statSync(file).size > 0;
}

/** Size, modification time and inode of a database file and of its content sidecars, as text. */
export function fileState(file: string): string {
  const behind = fileBehind(file);
  return ["", ...CONTENT_SIDECARS]
    .filter((suffix) => existsSync(behind + suffix))
    .map((suffix) => {
      const { size, mtimeMs, ino } = statSync(behind + suffix);
      return `${suffix} ${size} ${mtimeMs} ${ino}`;
    })
    .join("\n");
}

/**
 * Whether a database can be read without creating the `-wal` and `-shm` files that SQLite otherwise needs: there are no
 * sidecars, so that no process has it open. A process that opens it later does not notice the reader, so the reader
 * compares the `fileState` before and after.
 */
export function isClosed(file: string): boolean {
  const behind = fileBehind(file);
  const isAlone = SIDECARS.every((suffix) => !existsSync(behind + suffix));
  return isAlone && databaseFileKind(behind) === "write-ahead-log";
}

/** @param immutable SQLite reads the file alone, without any lock. */
export function readOnlyUrl(file: string, immutable: boolean): string {
  return `${databaseFileUrl(resolve(fileBehind(file)))}?mode=ro${immutable ? "&immutable=1" : ""}`;
}

/**
 * Opens a database file for reading, without changing the file or its journal mode. Another process may write it
 * meanwhile. `write` rejects.
 */
export function openReadOnly(file: string): Database {
  // The driver ignores its own option for this; SQLite honors the URL.
  const connection = new Connection(readOnlyUrl(file, isClosed(file)), { timeout: BUSY_TIMEOUT_MS });
  return {
    embedded: true,
    ordered: false,
    replica: false,
    write: () => Promise.reject(new Error(`${file} is open read-only`)),
    async read({ sql, args }) {
      const statement = connection.prepare(sql);
      return statement.raw(true).all([...args]) as Row[];
    },
    close: () => void connection.close(),
  };
}
