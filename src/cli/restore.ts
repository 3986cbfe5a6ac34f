import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";

import { Command } from "commander";

import { loadSettings } from "../config/load.ts";
import type { Erasure } from "../log/erase/erasures.ts";
import { type LogInventory, missingFrom } from "../log/read/inventory.ts";
import { EVENT_LOG_ADDRESS } from "../log/keys.ts";
import { fileBehind } from "../core/file-behind.ts";
import { copyWithJournal, type PreparedCopy, prepareCopy, requireDatabaseFile } from "./backup-copy.ts";
import { isConfirmed } from "./confirm.ts";
import type { CliContext } from "./context.ts";
import { makeFolder, requireFile } from "./database.ts";
import { readErasures } from "./erasures-file.ts";
import { CliError, EXIT } from "./exit.ts";
import { examples, jsonOption } from "./options.ts";
import { withFolderBeside } from "./put-in-place.ts";
import { readReplacedHistory, type ReplacedHistory } from "./replaced-history.ts";
import { foldReplacedStore, replaceStore, settleInterruptedRestore } from "./replaced-store.ts";
import { settingOptions } from "./setting-options.ts";
import { meantDatabase, tenantOption } from "./tenants.ts";

type Flags = Readonly<Record<string, unknown>>;

/** `12 events, head 14` of the event log. */
function shownLog(logs: readonly LogInventory[] | null): string {
  const log = logs?.find(({ log: name }) => name === EVENT_LOG_ADDRESS.name);
  if (log === undefined) return "a store that cannot be read";
  return `${log.events.toLocaleString("en")} events, head ${log.head.toLocaleString("en")}`;
}

/** Checks that no server uses the file that a restore replaces, and that no earlier restore was interrupted. */
function clearTarget(file: string, flags: Flags): void {
  settleInterruptedRestore(file);
  if (!existsSync(file)) return;
  if (flags["force"] !== true) {
    throw new CliError(
      EXIT.failure,
      `There is a database at ${file}`,
      "To replace it, state --force. Back it up first if you may still need it.",
    );
  }
  foldReplacedStore(file);
}

const RISK = "Erasures since this backup are unknown, so the restored store holds the erased data again.";
const RISK_REMEDY =
  "State --erasures with the newest <backup>.erasures.ndjson, which `kilde backup` writes next to each backup; or --force.";

/** Asks a person to accept that a restore may bring back erased data. `--force` accepts it, and prints the risk. */
async function acceptRisk(context: CliContext, flags: Flags): Promise<void> {
  await context.stderr.write(`kilde: ${RISK}\n`);
  if (flags["force"] === true) return;
  if (context.isInteractive && (await isConfirmed(context, "Restore it anyway?"))) return;
  throw new CliError(EXIT.failure, "The backup was not restored", RISK_REMEDY);
}

/** The erasures that the restored store must repeat: those of the store that it replaces, and those of a file. */
async function erasuresFor(
  context: CliContext,
  replaced: ReplacedHistory | null,
  flags: Flags,
): Promise<readonly Erasure[]> {
  const name = flags["erasures"];
  if (typeof name === "string") {
    const exported = await readErasures(resolve(context.cwd, name), name);
    return [...exported, ...(replaced?.erasures ?? [])];
  }
  if (replaced === null) await acceptRisk(context, flags);
  return replaced?.erasures ?? [];
}

interface Restored extends PreparedCopy {
  readonly replaced: readonly LogInventory[] | null;
}

/** Restores a validated file; the store at `file` changes last. */
async function restoreTo(file: string, source: string, context: CliContext, flags: Flags): Promise<Restored> {
  const backup = basename(source);
  const { limits } = await loadSettings({ ...context, flags });
  const replaced = await readReplacedHistory(file);
  const erasures = await erasuresFor(context, replaced, flags);
  makeFolder(file);
  return withFolderBeside(context, file, "restoring", async (folder) => {
    const copy = join(folder, "kilde.db");
    // The backup itself is never opened, so that it stays unchanged.
    copyWithJournal(source, copy);
    const history = {
      histories: replaced?.histories ?? [],
      erasures,
      keys: replaced?.keys ?? null,
      keepsKeys: flags["keepKeys"] === true,
    };
    const prepared = await prepareCopy(copy, backup, history, { clock: context.clock, limits });
    // Checked again, because the copy took time.
    if (existsSync(file)) foldReplacedStore(file);
    await replaceStore(file, copy, async () => {
      const placed = await readReplacedHistory(file);
      if (placed !== null && missingFrom(prepared.inventory, placed.inventory).length === 0) return;
      throw new CliError(
        EXIT.failure,
        `${file} does not hold the restored logs; the store that it replaced is back in its place`,
        "Check the disk, and restore again.",
      );
    });
    return { ...prepared, replaced: replaced?.inventory ?? null };
  });
}

function revokedKeys(count: number): string {
  return (
    `Keys revoked: ${count}. The store that was replaced does not know them, so they may have been revoked since the backup. ` +
    "Create new ones with `kilde keys create`; --keep-keys keeps them at a restore."
  );
}

async function restore(context: CliContext, backup: string, flags: Flags): Promise<void> {
  const settings = meantDatabase(await loadSettings({ ...context, flags }), flags);
  const file = fileBehind(
    requireFile(settings, context.cwd, "Restore a libSQL server with the server's own tools."),
  );
  const source = resolve(context.cwd, backup);
  if (!existsSync(source)) throw new CliError(EXIT.usage, `There is no file ${backup}`);
  if (fileBehind(source) === file) {
    throw new CliError(EXIT.usage, `${backup} is the database that is to be replaced`);
  }
  requireDatabaseFile(source, backup);
  clearTarget(file, flags);
  const replaces = existsSync(file);
  const { inventory, erased, keysRevoked, replaced } = await restoreTo(file, source, context, flags);
  const change = replaces ? `; it replaced ${shownLog(replaced)}` : "";
  const again = erased === 0 ? "" : `; streams erased since the backup, and erased again: ${erased}`;
  if (keysRevoked > 0) await context.stderr.write(`kilde: ${revokedKeys(keysRevoked)}\n`);
  await context.stdout.write(
    flags["json"] === true
      ? `${JSON.stringify({ database: file, restored: inventory, replaced, erased, keysRevoked })}\n`
      : `${file} is now what ${backup} holds: ${shownLog(inventory)}${again}${change}\n`,
  );
}

/** `kilde restore` */
export function restoreCommand(context: CliContext): Command {
  const command = new Command("restore")
    .description(
      "Checks a backup as `kilde doctor` does, and replaces the configured database file by a copy of it. The server must not run. Logs get new identities, so that readers of the replaced store are notified. Erasures and revocations of keys since the backup are repeated; keys that the replaced store does not know are revoked. The replaced file keeps the name <file>.before-restore until the restore is done.",
    )
    .argument("<backup>", "the backup's file, with its -wal if it has one; it is not changed")
    .option(
      "--erasures <file>",
      "repeat the erasures in this file: the newest <backup>.erasures.ndjson, when the store itself is lost",
    )
    .option("--keep-keys", "keep keys valid that the replaced store does not know")
    .option("--force", "replace an existing database; restore even if later erasures are unknown")
    .addOption(tenantOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      examples(
        "kilde restore backups/2026-01-31.db --force",
        "kilde restore backups/2026-01-30.db --erasures backups/2026-01-31.db.erasures.ndjson",
      ),
    )
    .action((backup: string, flags: Flags) => restore(context, backup, flags));
  for (const option of settingOptions("databaseUrl")) command.addOption(option);
  return command;
}
