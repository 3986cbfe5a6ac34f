import { existsSync, renameSync, rmSync, statSync } from "node:fs";

import Connection from "libsql";

import { databaseFileUrl } from "../core/database-url.ts";
import { storageFailure } from "../storage/failures.ts";
import { holdsBytes, SIDECARS } from "../storage/sealed-files.ts";
import { databaseError } from "./database.ts";
import { CliError, EXIT } from "./exit.ts";
import { linkFile, putInPlace } from "./put-in-place.ts";

function keptName(file: string): string {
  return `${file}.before-restore`;
}

function isSameFile(one: string, other: string): boolean {
  const [first, second] = [statSync(one), statSync(other)];
  return first.ino === second.ino && first.dev === second.dev;
}

/**
 * Prepares a restore after an interrupted one. If that had not replaced the file yet, it left a second name of the
 * same file, which is removed. If it had, it left the replaced file, which only a person may discard.
 */
export function settleInterruptedRestore(file: string): void {
  const kept = keptName(file);
  if (!existsSync(kept)) return;
  if (existsSync(file) && isSameFile(file, kept)) {
    for (const suffix of SIDECARS) {
      if (existsSync(kept + suffix)) renameSync(kept + suffix, file + suffix);
    }
    rmSync(kept);
    return;
  }
  throw new CliError(
    EXIT.failure,
    `A restore was interrupted: ${kept} holds the database that it replaced`,
    "Rename that file to undo the interrupted restore, or delete it; then restore again.",
  );
}

/**
 * Copies the write-ahead log of the store to be replaced into its file. This locks the file exclusively, and so
 * detects a process that has it open. A damaged file stays unchanged: damage is a reason to restore.
 */
export function foldReplacedStore(file: string): void {
  try {
    const connection = new Connection(file, { timeout: 0 });
    try {
      connection.exec("pragma journal_mode = delete");
    } finally {
      connection.close();
    }
  } catch (error) {
    const failure = storageFailure(error);
    if (failure === "busy") {
      throw new CliError(
        EXIT.unavailable,
        `Another process has ${file} open`,
        "Stop the server, and restore again.",
        { cause: error },
      );
    }
    if (failure === "read-only" || failure === "full") throw databaseError(error, databaseFileUrl(file));
  }
}

/** Removes remaining journals of a file, which SQLite would apply to the file that replaces it. */
function removeSidecars(file: string): void {
  for (const suffix of SIDECARS) rmSync(file + suffix, { force: true });
}

/**
 * Replaces the store in `file` by the one in `copy`. The replaced file keeps the name `<file>.before-restore` until
 * `verify` has approved the new one; if that fails, the replaced file returns to its place.
 */
export async function replaceStore(file: string, copy: string, verify: () => Promise<void>): Promise<void> {
  const kept = keptName(file);
  const replaces = existsSync(file);
  if (replaces) {
    linkFile(file, kept);
    // Only a damaged file still has journals.
    for (const suffix of SIDECARS) if (holdsBytes(file + suffix)) linkFile(file + suffix, kept + suffix);
  }
  removeSidecars(file);
  putInPlace(copy, file);
  try {
    await verify();
  } catch (error) {
    removeSidecars(file);
    if (replaces) {
      putInPlace(kept, file);
      for (const suffix of SIDECARS) {
        if (existsSync(kept + suffix)) putInPlace(kept + suffix, file + suffix);
      }
    }
    throw error;
  }
  removeSidecars(kept);
  rmSync(kept, { force: true });
}
