import { Command } from "commander";

import type { CliContext } from "./context.ts";
import { feedsDiffCommand } from "./feeds-diff.ts";
import { feedsTestCommand } from "./feeds-test.ts";
import { examples } from "./options.ts";

/** `kilde feeds` */
export function feedsCommand(context: CliContext): Command {
  const command = new Command("feeds")
    .description("Tries feeds out, and compares what versions of them say.")
    .addHelpText(
      "after",
      examples(
        "kilde feeds test declarations --fixtures test/paid.ndjson",
        "kilde feeds diff declarations v1 v2 --subject declaration-81250",
      ),
    );
  for (const subcommand of [feedsTestCommand(context), feedsDiffCommand(context)]) {
    command.addCommand(subcommand);
  }
  return command;
}
