import { resolve } from "node:path";

import { Command } from "commander";

import { databaseFile, databaseFileUrl, shownDatabaseUrl } from "../core/database-url.ts";
import { loadSettings } from "../config/load.ts";
import { examine } from "../log/doctor.ts";
import type { CliContext } from "./context.ts";
import { requireExisting, withReadOnlyDatabase } from "./database.ts";
import { CliError, EXIT } from "./exit.ts";
import { examples, jsonOption } from "./options.ts";
import { settingOptions } from "./setting-options.ts";
import { meantDatabase, tenantOption } from "./tenants.ts";

type Flags = Readonly<Record<string, unknown>>;

async function doctor(context: CliContext, file: string | undefined, flags: Flags): Promise<void> {
  const stated = file === undefined ? {} : { databaseUrl: databaseFileUrl(file) };
  const all = { ...flags, ...stated };
  const settings = meantDatabase(await loadSettings({ ...context, flags: all }), all);
  const path = databaseFile(settings.databaseUrl);
  if (path !== null) requireExisting(resolve(context.cwd, path));
  const findings = await withReadOnlyDatabase(settings, context.cwd, examine);
  const name = shownDatabaseUrl(settings.databaseUrl);
  if (flags["json"] === true) {
    await context.stdout.write(
      `${JSON.stringify({ database: name, healthy: findings.length === 0, findings })}\n`,
    );
  } else {
    const texts = findings.map(({ check, detail }) => `${check}: ${detail}\n`);
    await context.stdout.write(texts.length === 0 ? `${name} is sound\n` : texts.join(""));
  }
  if (findings.length === 0) return;
  throw new CliError(
    EXIT.faults,
    `${name} has ${findings.length === 1 ? "a fault" : `${findings.length} faults`}`,
    "Keep a copy of the file, and put the last good backup in its place with `kilde restore`.",
  );
}

/** `kilde doctor` */
export function doctorCommand(context: CliContext): Command {
  const command = new Command("doctor")
    .description(
      "Looks through a whole database and says what is not as it must be: gaps in positions or versions, wrong heads, broken references, a damaged file. Exits with 5 if there is anything.",
    )
    .argument("[file]", "database file, such as a backup; else the configured database")
    .addOption(tenantOption())
    .addOption(jsonOption())
    .addHelpText("after", examples("kilde doctor", "kilde doctor backup.db --json"))
    .action((file: string | undefined, flags: Flags) => doctor(context, file, flags));
  for (const option of settingOptions("databaseUrl", "databaseAuthToken")) command.addOption(option);
  return command;
}
