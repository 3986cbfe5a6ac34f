import { copyFileSync, statSync } from "node:fs";

import { databaseFileUrl } from "../core/database-url.ts";
import type { Database } from "../storage/database.ts";
import { examine } from "../doctor/doctor.ts";
import { type LogInventory, missingFrom, takeInventory } from "../log/read/inventory.ts";
import { storageFailure } from "../storage/failures.ts";
import { countMigrations, migrate } from "../log/migrate.ts";
import { fileBehind } from "../core/file-behind.ts";
import { CONTENT_SIDECARS, databaseFileKind, fileState, holdsBytes } from "../storage/sealed-files.ts";
import { withDatabase } from "./database.ts";
import { CliError, EXIT } from "./exit.ts";
import {
  type Continuation,
  type ContinueDeps,
  type ContinuedHistory,
  continueHistory,
} from "./replaced-history.ts";

const RESTORE_ANOTHER = "Restore another backup.";

/**
 * Copies a database file with its write-ahead log or rollback journal, without opening it. Rejects a file that
 * changes meanwhile: its parts would be from different moments.
 */
export function copyWithJournal(
  source: string,
  copy: string,
  copyFile: (from: string, to: string) => void = copyFileSync,
): void {
  const before = fileState(source);
  const file = fileBehind(source);
  copyFile(file, copy);
  for (const suffix of CONTENT_SIDECARS) {
    if (holdsBytes(file + suffix)) copyFile(file + suffix, copy + suffix);
  }
  if (fileState(source) === before) return;
  throw new CliError(
    EXIT.unavailable,
    `${source} was written while it was copied`,
    "Stop the server that has it open, or take a backup with `kilde backup` and restore that.",
  );
}

/**
 * Rejects a file that is empty or not a database. SQLite would open an empty file as an empty database, and fail
 * later on the other.
 */
export function requireDatabaseFile(file: string, name: string): void {
  if (!statSync(file).isFile()) throw new CliError(EXIT.usage, `${name} is not a file`);
  const kind = databaseFileKind(file);
  if (kind === "empty") throw new CliError(EXIT.faults, `${name} is empty`, RESTORE_ANOTHER);
  if (kind === "not-a-database")
    throw new CliError(EXIT.faults, `${name} is not a database`, RESTORE_ANOTHER);
}

async function requireSound(database: Database, name: string): Promise<void> {
  const findings = await examine(database);
  if (findings.length === 0) return;
  const faults = findings.map(({ check, detail }) => `\n  ${check}: ${detail}`).join("");
  throw new CliError(EXIT.faults, `${name} is not sound:${faults}`, "Restore an earlier backup.");
}

/** A copy that can replace a store. `erased`: streams that were erased after the backup. */
export interface PreparedCopy extends Continuation {
  readonly inventory: readonly LogInventory[];
}

/** Validates and migrates the copy of a store, and compares its content before and after. */
async function migrateCopy(database: Database, name: string): Promise<void> {
  if ((await countMigrations(database)) === 0) {
    throw new CliError(EXIT.faults, `${name} holds no store`, RESTORE_ANOTHER);
  }
  await requireSound(database, name);
  const before = await takeInventory(database);
  if ((await migrate(database)).length > 0) await requireSound(database, name);
  const changed = missingFrom(before, await takeInventory(database));
  if (changed.length === 0) return;
  throw new CliError(
    EXIT.failure,
    `Migrating ${name} changed heads or counts of ${changed.join(", ")}`,
    "Restore with the version of Kilde that made the backup.",
  );
}

/**
 * Validates a copy of a backup, migrates it, and makes it the successor of the store that it replaces. Afterwards the
 * file alone holds the store. Errors use the backup's name.
 */
export async function prepareCopy(
  copy: string,
  name: string,
  replaced: ContinuedHistory,
  deps: ContinueDeps,
): Promise<PreparedCopy> {
  const settings = { databaseUrl: databaseFileUrl(copy), databaseAuthToken: undefined };
  try {
    return await withDatabase(
      settings,
      "/",
      async (database) => {
        await migrateCopy(database, name);
        const continued = await continueHistory(database, replaced, deps);
        const inventory = await takeInventory(database);
        await database.read({ sql: "pragma wal_checkpoint(truncate)", args: [] });
        if (holdsBytes(`${copy}-wal`)) throw new Error(`the write-ahead log of ${copy} could not be emptied`);
        return { inventory, ...continued };
      },
      name,
    );
  } catch (error) {
    if (!(error instanceof CliError) || error.remedy === null) throw error;
    if (storageFailure(error.cause) === "full") {
      throw new CliError(EXIT.failure, "The disk is full", "Free disk space, and restore again.", {
        cause: error,
      });
    }
    throw error.exitCode === EXIT.failure
      ? new CliError(error.exitCode, error.message, RESTORE_ANOTHER, { cause: error })
      : error;
  }
}
