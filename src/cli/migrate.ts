import { Command } from "commander";

import { loadSettings } from "../config/load.ts";
import { migrate } from "../log/migrate.ts";
import type { CliContext } from "./context.ts";
import { missingFiles, withDatabase } from "./database.ts";
import { CliError } from "./exit.ts";
import { examples, jsonOption } from "./options.ts";
import { settingOptions } from "./setting-options.ts";
import { meantDatabases, type NamedDatabase, tenantOption } from "./tenants.ts";

type Flags = Readonly<Record<string, unknown>>;

function migrationText(
  { tenant }: NamedDatabase,
  applied: readonly string[],
  created: string | undefined,
): string {
  const of = tenant === null ? "" : `${tenant}: `;
  if (applied.length === 0) return `${of}the schema is up to date\n`;
  const first = created === undefined ? "" : `${of}created a new database at ${created}\n`;
  return first + applied.map((tag) => `${of}applied ${tag}\n`).join("");
}

/** Migrates one database after the other; a failure does not stop the migration of the others. */
async function migrateAll(context: CliContext, flags: Flags): Promise<void> {
  const settings = await loadSettings({ ...context, flags });
  const failures: unknown[] = [];
  for (const database of meantDatabases(settings, flags)) {
    const { tenant } = database;
    try {
      const [created] = missingFiles([database], context.cwd);
      const applied = await withDatabase(database, context.cwd, migrate);
      const report = tenant === null ? { applied } : { tenant, applied };
      await context.stdout.write(
        flags["json"] === true ? `${JSON.stringify(report)}\n` : migrationText(database, applied, created),
      );
    } catch (error) {
      if (tenant === null || !(error instanceof CliError)) throw error;
      failures.push(error);
      await context.stderr.write(`kilde: ${tenant}: ${error.message}\n`);
    }
  }
  const [first] = failures;
  if (first instanceof CliError) {
    throw new CliError(
      first.exitCode,
      `${failures.length === 1 ? "A tenant was" : `${failures.length} tenants were`} not brought up to date`,
      first.remedy,
      { cause: first },
    );
  }
}

/** `kilde migrate` */
export function migrateCommand(context: CliContext): Command {
  const command = new Command("migrate")
    .description(
      "Updates the schema of a database, or creates a new database; with tenants, the databases of all. `kilde serve` does the same when it starts.",
    )
    .addOption(tenantOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      examples("kilde migrate --database-url file:data/kilde.db", "kilde migrate --tenant shop-a"),
    )
    .action((flags: Flags) => migrateAll(context, flags));
  for (const option of settingOptions("databaseUrl", "databaseAuthToken")) command.addOption(option);
  return command;
}
