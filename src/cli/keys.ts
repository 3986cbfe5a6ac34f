import { Command } from "commander";

import type { ApiKey } from "../client/key-types.ts";
import type { CliContext } from "./context.ts";
import { keysCheckCommand } from "./keys-check.ts";
import { keysChangeCommands, keysCreateCommand } from "./keys-change.ts";
import { keysOptions } from "./keys-options.ts";
import { type KeysFlags, withKeys } from "./keys-store.ts";
import { isUsable } from "./named-keys.ts";
import { examples } from "./options.ts";
import { type Column, printTable } from "./table.ts";

interface ListFlags extends KeysFlags {
  readonly all?: boolean;
}

const COLUMNS: readonly Column[] = [
  { heading: "KEY", width: 12 },
  { heading: "NAME", width: 16 },
  { heading: "STATUS", width: 8 },
  { heading: "EXPIRES", width: 24 },
  { heading: "LAST USED", width: 24 },
  { heading: "CONSUMER", width: 12 },
  { heading: "MAY", width: 0 },
];

function cells({ key, name, status, expires, used, consumer, grants }: ApiKey): readonly string[] {
  return [key, name, status, expires ?? "never", used ?? "never", consumer ?? "-", grants.join(", ")];
}

async function* shownKeys(
  keys: AsyncIterable<ApiKey>,
  all: boolean,
): AsyncGenerator<ApiKey, void, undefined> {
  for await (const key of keys) if (all || isUsable(key)) yield key;
}

async function list(context: CliContext, flags: ListFlags): Promise<void> {
  const listing = { columns: COLUMNS, cells, asJson: flags.json === true };
  await withKeys(context, flags, "read", (keys) =>
    printTable(context, shownKeys(keys.list(), flags.all === true), listing),
  );
}

/** `kilde keys` */
export function keysCommand(context: CliContext): Command {
  const listCommand = keysOptions(new Command("list"), "print JSON, one key per line")
    .description("Lists the valid keys by name.")
    .option("--all", "also keys that have expired or are revoked")
    .addHelpText("after", examples("kilde keys", "kilde keys list --all --json"))
    .action((flags: ListFlags) => list(context, flags));

  const command = new Command("keys")
    .description(
      "Creates and ends API keys, on the database of the settings, or with --url through a server. A running server accepts a new key at once, and refuses a revoked one within a second.",
    )
    .addHelpText(
      "after",
      examples(
        "kilde keys create root --may admin",
        "kilde keys rotate root --url https://kilde.example.org --token-file root.token",
      ),
    )
    .addCommand(listCommand, { isDefault: true })
    .addCommand(keysCreateCommand(context));
  for (const subcommand of [...keysChangeCommands(context), keysCheckCommand(context)])
    command.addCommand(subcommand);
  return command;
}
