import { Command } from "commander";

import { loadSettings } from "../config/load.ts";
import { migrate } from "../log/migrate.ts";
import type { CliContext } from "./context.ts";
import { withDatabase } from "./database.ts";
import { examples, jsonOption } from "./options.ts";
import { settingOptions } from "./setting-options.ts";

async function migrateDatabase(context: CliContext, flags: Readonly<Record<string, unknown>>): Promise<void> {
  const settings = await loadSettings({ ...context, flags });
  const applied = await withDatabase(settings, context.cwd, migrate);
  if (flags["json"] === true) await context.stdout.write(`${JSON.stringify({ applied })}\n`);
  else if (applied.length === 0) await context.stdout.write("the schema is up to date\n");
  else await context.stdout.write(applied.map((tag) => `applied ${tag}\n`).join(""));
}

/** `kilde migrate` */
export function migrateCommand(context: CliContext): Command {
  const command = new Command("migrate")
    .description(
      "Brings the schema of a database up to date, or makes a new database. `kilde serve` does the same when it starts.",
    )
    .addOption(jsonOption())
    .addHelpText("after", examples("kilde migrate --database-url file:data/kilde.db"))
    .action((flags: Readonly<Record<string, unknown>>) => migrateDatabase(context, flags));
  for (const option of settingOptions("databaseUrl", "databaseAuthToken")) command.addOption(option);
  return command;
}
