import { existsSync } from "node:fs";
import { join, resolve } from "node:path";

import { Command } from "commander";

import { loadSettings } from "../config/load.ts";
import { type LogInventory, missingFrom, takeInventory } from "../log/inventory.ts";
import { EVENT_LOG_ADDRESS } from "../log/keys.ts";
import { databaseFileKind, openReadOnly } from "../log/read-only.ts";
import { copyWithJournal, prepareCopy, requireDatabaseFile } from "./backup-copy.ts";
import type { CliContext } from "./context.ts";
import { isDriverError, makeFolder, requireFile } from "./database.ts";
import { CliError, EXIT } from "./exit.ts";
import { examples, jsonOption } from "./options.ts";
import { withFolderBeside } from "./put-in-place.ts";
import { fileBehind, foldReplacedStore, replaceStore, settleInterruptedRestore } from "./replaced-store.ts";
import { settingOptions } from "./setting-options.ts";
import { meantDatabase, tenantOption } from "./tenants.ts";

type Flags = Readonly<Record<string, unknown>>;

/** `12 events, head 14` of the event log. */
function shownLog(logs: readonly LogInventory[] | null): string {
  const log = logs?.find(({ log: name }) => name === EVENT_LOG_ADDRESS.name);
  if (log === undefined) return "a store that cannot be read";
  return `${log.events.toLocaleString("en")} events, head ${log.head.toLocaleString("en")}`;
}

/** What the store that is to be replaced holds; null when it is damaged, or not a store. */
async function inventoryOf(file: string): Promise<readonly LogInventory[] | null> {
  if (databaseFileKind(file) === "not-a-database") return null;
  const database = openReadOnly(file);
  try {
    return await takeInventory(database);
  } catch (error) {
    if (isDriverError(error)) return null;
    throw error;
  } finally {
    database.close();
  }
}

/** The file to restore to, free of a running server and of an earlier restore that was interrupted. */
function clearTarget(file: string, flags: Flags): void {
  settleInterruptedRestore(file);
  if (!existsSync(file)) return;
  if (flags["force"] !== true) {
    throw new CliError(
      EXIT.failure,
      `There is a database at ${file}`,
      "To replace it, state --force. Make a backup of it first, if it may still be needed.",
    );
  }
  foldReplacedStore(file);
}

async function restore(context: CliContext, backup: string, flags: Flags): Promise<void> {
  const settings = meantDatabase(await loadSettings({ ...context, flags }), flags);
  const file = fileBehind(requireFile(settings, context.cwd, "Restore a libSQL server with its own means."));
  const source = resolve(context.cwd, backup);
  if (!existsSync(source)) throw new CliError(EXIT.usage, `There is no file ${backup}`);
  if (fileBehind(source) === file) {
    throw new CliError(EXIT.usage, `${backup} is the database that is to be replaced`);
  }
  requireDatabaseFile(source, backup);
  clearTarget(file, flags);
  makeFolder(file);
  const [restored, replaced] = await withFolderBeside(file, "restoring", async (folder) => {
    const copy = join(folder, "kilde.db");
    // The backup itself is never opened, so that it stays as it is.
    copyWithJournal(source, copy);
    const inventory = await prepareCopy(copy, backup);
    // Checked again, because the copy took its time.
    if (existsSync(file)) foldReplacedStore(file);
    const before = existsSync(file) ? await inventoryOf(file) : undefined;
    await replaceStore(file, copy, async () => {
      const placed = await inventoryOf(file);
      if (placed !== null && missingFrom(inventory, placed).length === 0) return;
      throw new CliError(
        EXIT.failure,
        `${file} does not hold what was restored; the store that it replaced is back in its place`,
        "Check the disk, and restore again.",
      );
    });
    return [inventory, before];
  });
  const change = replaced === undefined ? "" : `; it replaced ${shownLog(replaced)}`;
  await context.stdout.write(
    flags["json"] === true
      ? `${JSON.stringify({ database: file, restored, replaced: replaced ?? null })}\n`
      : `${file} is now what ${backup} holds: ${shownLog(restored)}${change}\n`,
  );
}

/** `kilde restore` */
export function restoreCommand(context: CliContext): Command {
  const command = new Command("restore")
    .description(
      "Checks a backup as `kilde doctor` does, and replaces the configured database file by a copy of it. The server must not run. The replaced file keeps the name <file>.before-restore until the restore is done.",
    )
    .argument("<backup>", "the backup's file, with its -wal if it has one; it stays as it is")
    .option("--force", "replace the database that is there")
    .addOption(tenantOption())
    .addOption(jsonOption())
    .addHelpText("after", examples("kilde restore backups/2026-01-31.db --force"))
    .action((backup: string, flags: Flags) => restore(context, backup, flags));
  for (const option of settingOptions("databaseUrl")) command.addOption(option);
  return command;
}
