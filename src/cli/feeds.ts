import { Command } from "commander";

import type { CliContext } from "./context.ts";
import { feedsChangeCommands } from "./feeds-change.ts";
import { feedsDiffCommand } from "./feeds-diff.ts";
import { feedsListCommand } from "./feeds-list.ts";
import { feedsTestCommand } from "./feeds-test.ts";
import { feedsTypesCommand } from "./feeds-types.ts";
import { examples } from "./options.ts";

/** `kilde feeds` */
export function feedsCommand(context: CliContext): Command {
  const command = new Command("feeds")
    .description("Lists feeds, tests them, compares their versions, and retires versions.")
    .addHelpText(
      "after",
      examples(
        "kilde feeds",
        "kilde feeds test declarations --fixtures test/paid.ndjson",
        "kilde feeds diff declarations v1 v2 --subject declaration-81250",
        "kilde feeds types declarations v2 > declarations-v2.ts",
      ),
    );
  command.addCommand(feedsListCommand(context), { isDefault: true });
  for (const subcommand of [
    feedsTestCommand(context),
    feedsDiffCommand(context),
    feedsTypesCommand(context),
    ...feedsChangeCommands(context),
  ]) {
    command.addCommand(subcommand);
  }
  return command;
}
