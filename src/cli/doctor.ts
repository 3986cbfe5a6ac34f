import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";

import { Command } from "commander";

import { databaseFile, databaseFileUrl, shownDatabaseUrl } from "../core/database-url.ts";
import { loadSettings } from "../config/load.ts";
import { countOlderErasures, examine, type Finding, repair } from "../doctor/doctor.ts";
import { fileBehind } from "../core/file-behind.ts";
import { databaseFileKind } from "../storage/sealed-files.ts";
import type { CliContext } from "./context.ts";
import { requireExisting, withDatabase, withReadOnlyDatabase } from "./database.ts";
import { CliError, EXIT } from "./exit.ts";
import { examples, jsonOption } from "./options.ts";
import { type ProgressBar, showProgress } from "./progress.ts";
import { settingOptions } from "./setting-options.ts";
import { meantDatabase, type NamedDatabase, tenantOption } from "./tenants.ts";

type Flags = Readonly<Record<string, unknown>>;

/** The violations of each rule, followed by the remedy. */
function shownFindings(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ check, detail, remedy }, index) => {
    const isLast = findings[index + 1]?.check !== check || findings[index + 1]?.remedy !== remedy;
    return [`${check}: ${detail}\n`, ...(isLast ? [`  ${remedy}\n`] : [])];
  });
  return lines.join("");
}

interface Examination {
  readonly findings: readonly Finding[];
  /** Checks that do not apply to a store of an older version. */
  readonly skipped: readonly string[];
  /** Number of erasures by older versions, which left copies of the data in the file. */
  readonly olderErasures: number;
}

async function examineDatabase(context: CliContext, settings: NamedDatabase): Promise<Examination> {
  const skipped: string[] = [];
  const bars: ProgressBar[] = [];
  try {
    return await withReadOnlyDatabase(settings, context.cwd, async (database) => {
      const findings = await examine(database, {
        onProgress({ done, total }) {
          if (bars.length === 0) bars.push(showProgress(context, "examining", total));
          bars[0]?.update(done, done);
        },
        onSkip: (check) => skipped.push(check),
      });
      // Stop at a damaged file.
      const olderErasures = findings.length === 0 ? await countOlderErasures(database) : 0;
      return { findings, skipped, olderErasures };
    });
  } finally {
    for (const bar of bars) bar.stop();
  }
}

/** SQLite treats an empty file as an empty database, and would not report a lost store. */
function requireContent(file: string, name: string): void {
  requireExisting(file);
  if (!statSync(file).isFile() || databaseFileKind(file) !== "empty" || existsSync(`${fileBehind(file)}-wal`))
    return;
  throw new CliError(EXIT.faults, `${name} is empty`, "Restore a backup with `kilde restore --force`.");
}

async function doctor(context: CliContext, file: string | undefined, flags: Flags): Promise<void> {
  const stated = file === undefined ? {} : { databaseUrl: databaseFileUrl(file) };
  const all = { ...flags, ...stated };
  const settings = meantDatabase(await loadSettings({ ...context, flags: all }), all);
  const name = shownDatabaseUrl(settings.databaseUrl);
  const path = databaseFile(settings.databaseUrl);
  if (path !== null) requireContent(resolve(context.cwd, path), name);
  let { findings, skipped, olderErasures } = await examineDatabase(context, settings);
  let repaired: readonly string[] = [];
  if (flags["repair"] === true) {
    repaired = await withDatabase(settings, context.cwd, repair);
    ({ findings, skipped, olderErasures } = await examineDatabase(context, settings));
  }
  if (flags["json"] === true) {
    await context.stdout.write(
      `${JSON.stringify({ database: name, healthy: findings.length === 0, findings, repaired, skipped, olderErasures })}\n`,
    );
  } else {
    for (const check of repaired) await context.stdout.write(`repaired: ${check}\n`);
    if (skipped.length > 0) {
      await context.stdout.write(
        `${name} has the schema of an older version: ${skipped.length} checks were skipped; \`kilde migrate\` updates it\n`,
      );
    }
    if (olderErasures > 0) {
      await context.stdout.write(
        `${name} may still hold copies of data that an older version erased (erasures: ${olderErasures}); \`kilde doctor --repair\` rewrites the file without them, which needs free disk space of the same size\n`,
      );
    }
    await context.stdout.write(findings.length === 0 ? `${name} is sound\n` : shownFindings(findings));
  }
  if (findings.length === 0) return;
  throw new CliError(
    EXIT.faults,
    `${name} has ${findings.length === 1 ? "a fault" : `${findings.length} faults`}`,
    "Keep a copy of the file before you repair or replace it.",
  );
}

/** `kilde doctor` */
export function doctorCommand(context: CliContext): Command {
  const command = new Command("doctor")
    .description(
      "Reads a whole database and reports each invariant that it violates, with a remedy: a damaged file, an incomplete schema, gaps in positions or versions, texts that are not JSON, cursors beyond their log. Changes nothing without --repair. Exits with 5 if it finds a fault.",
    )
    .argument("[file]", "database file, such as a backup (default: the configured database)")
    .option("--repair", "repair the faults whose repair loses no data")
    .addOption(tenantOption())
    .addOption(jsonOption())
    .addHelpText("after", examples("kilde doctor", "kilde doctor backup.db --json", "kilde doctor --repair"))
    .action((file: string | undefined, flags: Flags) => doctor(context, file, flags));
  for (const option of settingOptions("databaseUrl", "databaseAuthToken")) command.addOption(option);
  return command;
}
