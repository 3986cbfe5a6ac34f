import { copyFileSync, existsSync, rmSync } from "node:fs";
import { resolve } from "node:path";

import { Command } from "commander";
import Connection from "libsql";

import { databaseFileUrl } from "../core/database-url.ts";
import { loadSettings } from "../config/load.ts";
import { examine, type Finding } from "../log/doctor.ts";
import { storageFailure } from "../log/failures.ts";
import { migrate } from "../log/migrate.ts";
import type { CliContext } from "./context.ts";
import { databaseError, makeFolder, requireFile, withDatabase } from "./database.ts";
import { CliError, EXIT } from "./exit.ts";
import { putInPlace } from "./put-in-place.ts";
import { examples, jsonOption } from "./options.ts";
import { settingOptions } from "./setting-options.ts";
import { meantDatabase, tenantOption } from "./tenants.ts";

type Flags = Readonly<Record<string, unknown>>;

/** Files that SQLite keeps beside a database. */
const SIDECARS = ["-wal", "-shm", "-journal"] as const;

/**
 * Folds the write-ahead log of the database that is to be replaced into it, so that none is left to be taken for
 * the new one's. That needs the file for itself, and so it shows whether another process has it open.
 */
function retire(file: string): void {
  try {
    const connection = new Connection(file, { timeout: 0 });
    try {
      connection.exec("pragma journal_mode = delete");
    } finally {
      connection.close();
    }
  } catch (error) {
    if (storageFailure(error) === "busy") {
      throw new CliError(
        EXIT.unavailable,
        `Another process has ${file} open`,
        "Stop the server, and restore again.",
        { cause: error },
      );
    }
    // A file that is damaged, or no database at all, is why one restores.
    if (storageFailure(error) === "read-only") throw databaseError(error, databaseFileUrl(file));
  }
}

/** Checks a copy of a backup; a failure calls it by the backup's name. */
async function examineCopy(copy: string, backup: string): Promise<Finding[]> {
  const settings = { databaseUrl: databaseFileUrl(copy), databaseAuthToken: undefined };
  try {
    return await withDatabase(
      settings,
      "/",
      async (database) => {
        // Refuses what is not Kilde's, and brings an older backup up to date.
        await migrate(database);
        // So that the file alone is the database.
        await database.read({ sql: "pragma wal_checkpoint(truncate)", args: [] });
        return examine(database);
      },
      backup,
    );
  } catch (error) {
    if (!(error instanceof CliError)) throw error;
    throw new CliError(error.exitCode, error.message, "Restore another backup.", { cause: error });
  }
}

function removeWithSidecars(file: string): void {
  for (const suffix of ["", ...SIDECARS]) rmSync(file + suffix, { force: true });
}

async function restore(context: CliContext, backup: string, flags: Flags): Promise<void> {
  const settings = meantDatabase(await loadSettings({ ...context, flags }), flags);
  const file = requireFile(settings, context.cwd, "Restore a libSQL server with its own means.");
  const source = resolve(context.cwd, backup);
  if (!existsSync(source)) throw new CliError(EXIT.usage, `There is no file ${backup}`);
  if (existsSync(file) && flags["force"] !== true) {
    throw new CliError(
      EXIT.failure,
      `There is a database at ${file}`,
      "To replace it, state --force. Make a backup of it first, if it may still be needed.",
    );
  }
  if (existsSync(file)) retire(file);

  // The backup itself is never opened, so that it stays as it is.
  const copy = `${file}.restoring`;
  makeFolder(file);
  removeWithSidecars(copy);
  try {
    copyFileSync(source, copy);
    const findings = await examineCopy(copy, backup);
    if (findings.length > 0) {
      const told = findings.map(({ check, detail }) => `\n  ${check}: ${detail}`).join("");
      throw new CliError(EXIT.faults, `${backup} is not sound:${told}`, "Restore an earlier backup.");
    }
    // Looked at again, because the copy took its time.
    if (existsSync(file)) retire(file);
    for (const suffix of SIDECARS) rmSync(file + suffix, { force: true });
    putInPlace(copy, file);
  } finally {
    removeWithSidecars(copy);
  }
  await context.stdout.write(
    flags["json"] === true
      ? `${JSON.stringify({ database: file })}\n`
      : `${file} is now what ${backup} holds\n`,
  );
}

/** `kilde restore` */
export function restoreCommand(context: CliContext): Command {
  const command = new Command("restore")
    .description(
      "Checks a backup as `kilde doctor` does, and puts a copy of it in the place of the configured database file. The server must not run.",
    )
    .argument("<backup>", "the backup's file; it stays as it is")
    .option("--force", "replace the database that is there")
    .addOption(tenantOption())
    .addOption(jsonOption())
    .addHelpText("after", examples("kilde restore backups/2026-01-31.db --force"))
    .action((backup: string, flags: Flags) => restore(context, backup, flags));
  for (const option of settingOptions("databaseUrl")) command.addOption(option);
  return command;
}
