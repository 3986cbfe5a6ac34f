import { copyFileSync, existsSync, statSync } from "node:fs";

import { databaseFileUrl } from "../core/database-url.ts";
import { type Finding, examine } from "../log/doctor.ts";
import { type LogInventory, missingFrom, takeInventory } from "../log/inventory.ts";
import { countMigrations, migrate } from "../log/migrate.ts";
import { databaseFileKind, holdsBytes } from "../log/read-only.ts";
import { withDatabase } from "./database.ts";
import { CliError, EXIT } from "./exit.ts";

/** Files beside a database that hold part of its content. */
const CONTENT_SIDECARS = ["-wal", "-journal"] as const;

const RESTORE_ANOTHER = "Restore another backup.";

/** Size and time of change of a file and of what belongs to it. */
function fingerprint(file: string): string {
  return ["", ...CONTENT_SIDECARS]
    .filter((suffix) => existsSync(file + suffix))
    .map((suffix) => {
      const { size, mtimeMs, ino } = statSync(file + suffix);
      return `${suffix} ${size} ${mtimeMs} ${ino}`;
    })
    .join("\n");
}

/**
 * Copies a database file with its write-ahead log or rollback journal, without opening it. Refuses a file that changes
 * meanwhile: its parts would be of different moments.
 */
export function copyWithJournal(source: string, copy: string): void {
  const before = fingerprint(source);
  copyFileSync(source, copy);
  for (const suffix of CONTENT_SIDECARS) {
    if (holdsBytes(source + suffix)) copyFileSync(source + suffix, copy + suffix);
  }
  if (fingerprint(source) === before) return;
  throw new CliError(
    EXIT.unavailable,
    `${source} was written while it was copied`,
    "Stop the server that has it open, or take a backup with `kilde backup` and restore that.",
  );
}

/** Refuses a file that is empty or no database, which SQLite would open as an empty one or fail on later. */
export function requireDatabaseFile(file: string, name: string): void {
  if (!statSync(file).isFile()) throw new CliError(EXIT.usage, `${name} is not a file`);
  const kind = databaseFileKind(file);
  if (kind === "empty") throw new CliError(EXIT.faults, `${name} is empty`, RESTORE_ANOTHER);
  if (kind === "not-a-database")
    throw new CliError(EXIT.faults, `${name} is not a database`, RESTORE_ANOTHER);
}

function unsound(name: string, findings: readonly Finding[]): CliError {
  const faults = findings.map(({ check, detail }) => `\n  ${check}: ${detail}`).join("");
  return new CliError(EXIT.faults, `${name} is not sound:${faults}`, "Restore an earlier backup.");
}

/**
 * Validates a copy of a backup, migrates it, and validates it again; afterwards the file alone holds the store. Errors
 * call it by the backup's name.
 * @returns what the store holds.
 */
export async function prepareCopy(copy: string, name: string): Promise<readonly LogInventory[]> {
  const settings = { databaseUrl: databaseFileUrl(copy), databaseAuthToken: undefined };
  try {
    return await withDatabase(
      settings,
      "/",
      async (database) => {
        if ((await countMigrations(database)) === 0) {
          throw new CliError(EXIT.faults, `${name} holds no store`, RESTORE_ANOTHER);
        }
        const before = await takeInventory(database);
        await migrate(database);
        const findings = await examine(database);
        if (findings.length > 0) throw unsound(name, findings);
        const after = await takeInventory(database);
        const changed = missingFrom(before, after);
        if (changed.length > 0) {
          throw new CliError(
            EXIT.failure,
            `Migrating ${name} changed heads or counts of ${changed.join(", ")}`,
            "Restore with the version of Kilde that made the backup.",
          );
        }
        await database.read({ sql: "pragma wal_checkpoint(truncate)", args: [] });
        if (holdsBytes(`${copy}-wal`)) throw new Error(`the write-ahead log of ${copy} could not be emptied`);
        return after;
      },
      name,
    );
  } catch (error) {
    if (!(error instanceof CliError) || error.remedy === null) throw error;
    throw error.exitCode === EXIT.failure
      ? new CliError(error.exitCode, error.message, RESTORE_ANOTHER, { cause: error })
      : error;
  }
}
