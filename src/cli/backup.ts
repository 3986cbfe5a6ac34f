import { existsSync, rmSync, statSync } from "node:fs";
import { resolve } from "node:path";

import { Command } from "commander";

import { loadSettings } from "../config/load.ts";
import type { CliContext } from "./context.ts";
import { requireExisting, requireFile, withDatabase } from "./database.ts";
import { CliError, EXIT } from "./exit.ts";
import { putInPlace } from "./put-in-place.ts";
import { examples, jsonOption } from "./options.ts";
import { settingOptions } from "./setting-options.ts";

type Flags = Readonly<Record<string, unknown>>;

async function backup(context: CliContext, target: string, flags: Flags): Promise<void> {
  const settings = await loadSettings({ ...context, flags });
  const file = requireFile(settings, context.cwd, "Back a libSQL server up with its own means.");
  requireExisting(file);
  const place = resolve(context.cwd, target);
  if (existsSync(place)) {
    throw new CliError(
      EXIT.failure,
      `${target} is there already`,
      "Name a new file: a backup replaces none.",
    );
  }
  const unfinished = `${place}.unfinished`;
  rmSync(unfinished, { force: true });
  try {
    // One read transaction: a copy of one moment, while others go on writing.
    await withDatabase(settings, context.cwd, (database) =>
      database.read({ sql: "vacuum into ?", args: [unfinished] }),
    );
    putInPlace(unfinished, place);
  } finally {
    rmSync(unfinished, { force: true });
  }
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
    .addOption(jsonOption())
    .addHelpText(
      "after",
      examples("kilde backup backups/2026-01-31.db", "kilde doctor backups/2026-01-31.db"),
    )
    .action((target: string, flags: Flags) => backup(context, target, flags));
  for (const option of settingOptions("databaseUrl")) command.addOption(option);
  return command;
}
