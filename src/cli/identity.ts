import { resolve } from "node:path";

import { Command } from "commander";

import { databaseFile, shownDatabaseUrl } from "../core/database-url.ts";
import { endRestoredKeys } from "../access/restored-keys.ts";
import { loadSettings } from "../config/load.ts";
import { renewIdentities } from "../backup/renew-identities.ts";
import { type LogLineage, readIdentities } from "../log/identity.ts";
import { migrate } from "../log/migrate.ts";
import type { CliContext } from "./context.ts";
import { requireExisting, withDatabase, withReadOnlyDatabase } from "./database.ts";
import { CliError, EXIT } from "./exit.ts";
import { examples, jsonOption } from "./options.ts";
import { settingOptions } from "./setting-options.ts";
import { meantDatabase, type NamedDatabase, tenantOption } from "./tenants.ts";

type Flags = Readonly<Record<string, unknown>>;

async function existingDatabase(context: CliContext, flags: Flags): Promise<NamedDatabase> {
  const settings = meantDatabase(await loadSettings({ ...context, flags }), flags);
  const path = databaseFile(settings.databaseUrl);
  if (path !== null) requireExisting(resolve(context.cwd, path));
  return settings;
}

function shownHistory({ log, identity, head, former }: LogLineage): string {
  const earlier = former.map((one) => `  before: ${one.identity}, the same up to position ${one.parted}\n`);
  return `${log}: ${identity}, head ${head}\n${earlier.join("")}`;
}

async function write(context: CliContext, flags: Flags, histories: readonly LogLineage[]): Promise<void> {
  const json = flags["json"] === true;
  const texts = histories.map((history) => (json ? `${JSON.stringify(history)}\n` : shownHistory(history)));
  await context.stdout.write(texts.join(""));
}

async function show(context: CliContext, flags: Flags): Promise<void> {
  const settings = await existingDatabase(context, flags);
  const histories = await withReadOnlyDatabase(settings, context.cwd, readIdentities);
  if (histories.length === 0) {
    const name = shownDatabaseUrl(settings.databaseUrl);
    throw new CliError(
      EXIT.failure,
      `The logs of ${name} have no identities: an earlier version of Kilde wrote it`,
      "`kilde migrate` gives each log one.",
    );
  }
  await write(context, flags, histories);
}

async function renew(context: CliContext, flags: Flags): Promise<void> {
  const settings = await existingDatabase(context, flags);
  let revoked = 0;
  const histories = await withDatabase(settings, context.cwd, async (database) => {
    await migrate(database);
    const renewed = await renewIdentities(database, context.clock);
    const keepsKeys = flags["keepKeys"] === true;
    revoked = await endRestoredKeys(database, { endings: null, keepsKeys, nowMs: context.clock.now() });
    return renewed;
  });
  if (revoked > 0)
    await context.stderr.write(
      `kilde: Keys revoked: ${revoked}, since they may have been revoked after the backup. Create new ones with \`kilde keys create\`.\n`,
    );
  await write(context, flags, histories);
}

function withOptions(command: Command): Command {
  command.addOption(tenantOption()).addOption(jsonOption("print JSON, one log per line"));
  for (const option of settingOptions("databaseUrl", "databaseAuthToken")) command.addOption(option);
  return command;
}

/** `kilde identity` */
export function identityCommand(context: CliContext): Command {
  const showing = withOptions(new Command("show"))
    .description(
      "Prints the identity of each log, and its former identities with the last position that it has in common with each.",
    )
    .addHelpText("after", examples("kilde identity", "kilde identity show --json"))
    .action((flags: Flags) => show(context, flags));
  const renewing = withOptions(new Command("renew"))
    .description(
      "Gives every log a new identity, after a database was restored without `kilde restore`: a libSQL server with its own tools, a snapshot of a disk, a copied file. Run it before the first append. Readers and writers that know lost events are notified; the others continue. Revokes all keys, because some may have been revoked after the backup.",
    )
    .option("--keep-keys", "keep the keys valid")
    .addHelpText("after", examples("kilde identity renew --database-url http://127.0.0.1:8080"))
    .action((flags: Flags) => renew(context, flags));
  return new Command("identity")
    .description("Shows and renews the identities of logs. An identity names the history that a log holds.")
    .addHelpText("after", examples("kilde identity", "kilde identity renew"))
    .addCommand(showing, { isDefault: true })
    .addCommand(renewing);
}
