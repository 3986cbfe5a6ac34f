import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";

import { Command } from "commander";

import { loadSettings } from "../config/load.ts";
import { databaseFileUrl } from "../core/database-url.ts";
import { copyStore } from "../backup/copy.ts";
import { examine, type Finding } from "../doctor/doctor.ts";
import { listErasures } from "../log/erase/erasures.ts";
import { storageFailure } from "../storage/failures.ts";
import { takeInventory } from "../log/read/inventory.ts";
import { EVENT_LOG_ADDRESS } from "../log/keys.ts";
import { countMigrations } from "../log/migrate.ts";
import type { CliContext } from "./context.ts";
import { databaseError, makeFolder, requireExisting, requireFile, withReadOnlyDatabase } from "./database.ts";
import { erasuresFileOf, writeErasures } from "./erasures-file.ts";
import { CliError, EXIT } from "./exit.ts";
import { examples, jsonOption } from "./options.ts";
import { showProgress } from "./progress.ts";
import { putInFreePlace, putInPlace, withFolderBeside } from "./put-in-place.ts";
import { settingOptions } from "./setting-options.ts";
import { meantDatabase, type NamedDatabase, tenantOption } from "./tenants.ts";

type Flags = Readonly<Record<string, unknown>>;

function taken(target: string): CliError {
  return new CliError(
    EXIT.failure,
    `${target} exists already`,
    "Name a new file: a backup never replaces a file.",
  );
}

/** The cause of a failed copy: the target's disk or folder, or the store itself. */
function copyError(error: unknown, store: NamedDatabase, target: string): unknown {
  const reason = error instanceof Error ? error.message : String(error);
  const failure = storageFailure(error);
  if (failure === "full" || reason.includes("unable to open")) {
    return new CliError(
      EXIT.failure,
      `${target} cannot be written: ${reason}`,
      "Name a file on a disk with room for it, in a folder that this user may write.",
      { cause: error },
    );
  }
  if (failure === "conflict") {
    return new CliError(
      EXIT.faults,
      `The store violates a unique index: ${reason}`,
      "Run `kilde doctor`, and restore the last good backup.",
      { cause: error },
    );
  }
  return databaseError(error, store.databaseUrl);
}

/** Copies the store in steps, while other processes continue to write to it. */
async function copyTo(
  context: CliContext,
  store: NamedDatabase,
  file: string,
  copy: string,
  target: string,
): Promise<void> {
  const inventory = await withReadOnlyDatabase(store, context.cwd, async (database) => {
    if ((await countMigrations(database)) > 0) return takeInventory(database);
    throw new CliError(EXIT.failure, `${file} holds no store`, "Name another database.");
  });
  const total = inventory.reduce((sum, { events }) => sum + events, 0);
  const progress = showProgress(context, "copying", total);
  let rows = 0;
  try {
    await copyStore(file, copy, {
      onStep(copied) {
        rows += copied;
        progress.update(rows, rows);
      },
    });
  } catch (error) {
    throw copyError(error, store, target);
  } finally {
    progress.stop();
  }
}

/** Verifies a copy, and writes the erasures in it to a file. */
async function verifyCopy(context: CliContext, copy: string, erasures: string): Promise<Finding[]> {
  const settings = { databaseUrl: databaseFileUrl(copy), databaseAuthToken: undefined };
  return withReadOnlyDatabase(settings, context.cwd, async (database) => {
    await writeErasures(erasures, listErasures(database, EVENT_LOG_ADDRESS));
    return examine(database);
  });
}

async function backup(context: CliContext, target: string, flags: Flags): Promise<void> {
  const settings = meantDatabase(await loadSettings({ ...context, flags }), flags);
  const file = requireFile(settings, context.cwd, "Back up a libSQL server with the server's own tools.");
  requireExisting(file);
  const place = resolve(context.cwd, target);
  if (existsSync(place)) throw taken(target);
  makeFolder(place);
  const findings = await withFolderBeside(context, place, "unfinished", async (folder) => {
    const [copy, erasures] = [join(folder, "kilde.db"), join(folder, "erasures.ndjson")];
    await copyTo(context, settings, file, copy, target);
    const found = await verifyCopy(context, copy, erasures);
    if (!putInFreePlace(copy, place)) throw taken(target);
    putInPlace(erasures, erasuresFileOf(place));
    return found;
  });
  const bytes = statSync(place).size;
  await context.stdout.write(
    flags["json"] === true
      ? `${JSON.stringify({ backup: place, bytes, findings })}\n`
      : `${target} holds ${bytes.toLocaleString("en")} bytes\n`,
  );
  const [first] = findings;
  if (first === undefined) return;
  throw new CliError(
    EXIT.faults,
    `The store has ${findings.length === 1 ? "a fault" : `${findings.length} faults`}, and so has ${target}: ${first.check}: ${first.detail}`,
    "Keep earlier backups: `kilde restore` rejects this one. See `kilde doctor`.",
  );
}

/** `kilde backup` */
export function backupCommand(context: CliContext): Command {
  const command = new Command("backup")
    .description(
      "Writes a consistent copy of the database file while the server runs. Copies in steps, so that the write-ahead log does not grow meanwhile. Verifies the copy as `kilde doctor` does (exit code 5: it has the faults of the store). Writes the store's erasures to <target>.erasures.ndjson, for `kilde restore --erasures`.",
    )
    .argument("<target>", "the file to write; it must not exist")
    .addOption(tenantOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      examples("kilde backup backups/2026-01-31.db", "kilde doctor backups/2026-01-31.db"),
    )
    .action((target: string, flags: Flags) => backup(context, target, flags));
  for (const option of settingOptions("databaseUrl")) command.addOption(option);
  return command;
}
