import { existsSync, statSync } from "node:fs";
import { join, resolve } from "node:path";

import { Command } from "commander";

import { loadSettings } from "../config/load.ts";
import type { Database } from "../log/database.ts";
import { databaseFileUrl } from "../core/database-url.ts";
import { listErasures } from "../log/erasures.ts";
import { storageFailure } from "../log/failures.ts";
import { EVENT_LOG_ADDRESS } from "../log/keys.ts";
import type { CliContext } from "./context.ts";
import { makeFolder, requireExisting, requireFile, withDatabase, withReadOnlyDatabase } from "./database.ts";
import { erasuresFileOf, writeErasures } from "./erasures-file.ts";
import { CliError, EXIT } from "./exit.ts";
import { putInFreePlace, putInPlace, withFolderBeside } from "./put-in-place.ts";
import { examples, jsonOption } from "./options.ts";
import { settingOptions } from "./setting-options.ts";
import { meantDatabase, tenantOption } from "./tenants.ts";

type Flags = Readonly<Record<string, unknown>>;

/** One read transaction: a copy of one moment, while others go on writing. */
async function copyInto(database: Database, file: string, target: string): Promise<void> {
  try {
    await database.read({ sql: "vacuum into ?", args: [file] });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    if (storageFailure(error) !== "full" && !reason.includes("unable to open")) throw error;
    throw new CliError(
      EXIT.failure,
      `${target} cannot be written: ${reason}`,
      "Name a file on a disk with room for it, in a folder that this user may write.",
      { cause: error },
    );
  }
}

function taken(target: string): CliError {
  return new CliError(EXIT.failure, `${target} is there already`, "Name a new file: a backup replaces none.");
}

async function backup(context: CliContext, target: string, flags: Flags): Promise<void> {
  const settings = meantDatabase(await loadSettings({ ...context, flags }), flags);
  const file = requireFile(settings, context.cwd, "Back a libSQL server up with its own means.");
  requireExisting(file);
  const place = resolve(context.cwd, target);
  if (existsSync(place)) throw taken(target);
  makeFolder(place);
  await withFolderBeside(place, "unfinished", async (folder) => {
    const unfinished = join(folder, "kilde.db");
    await withDatabase(settings, context.cwd, (database) => copyInto(database, unfinished, target));
    const erasures = join(folder, "erasures.ndjson");
    await withReadOnlyDatabase(
      { databaseUrl: databaseFileUrl(unfinished), databaseAuthToken: undefined },
      context.cwd,
      (copy) => writeErasures(erasures, listErasures(copy, EVENT_LOG_ADDRESS)),
    );
    if (!putInFreePlace(unfinished, place)) throw taken(target);
    putInPlace(erasures, erasuresFileOf(place));
  });
  const bytes = statSync(place).size;
  await context.stdout.write(
    flags["json"] === true
      ? `${JSON.stringify({ backup: place, bytes })}\n`
      : `${target} holds ${bytes.toLocaleString("en")} bytes\n`,
  );
}

/** `kilde backup` */
export function backupCommand(context: CliContext): Command {
  const command = new Command("backup")
    .description("Writes a consistent copy of the database file, of one moment; the server may go on.")
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
