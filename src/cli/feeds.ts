import { Command } from "commander";

import type { CliContext } from "./context.ts";
import { feedsDiffCommand } from "./feeds-diff.ts";
import { feedsTestCommand } from "./feeds-test.ts";

/** `kilde feeds` */
export function feedsCommand(context: CliContext): Command {
  const command = new Command("feeds").description(
    "Tries feeds out, and compares what versions of them say.",
  );
  for (const subcommand of [feedsTestCommand(context), feedsDiffCommand(context)]) {
    command.addCommand(subcommand);
  }
  return command;
}
