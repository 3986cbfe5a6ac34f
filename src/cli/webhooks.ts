import { Command } from "commander";

import type { CliContext } from "./context.ts";
import { examples } from "./options.ts";
import { webhooksChangeCommands } from "./webhooks-change.ts";
import { webhooksDeliveriesCommands } from "./webhooks-deliveries.ts";
import { webhooksListCommand, webhooksShowCommand } from "./webhooks-list.ts";
import { webhooksRunCommands } from "./webhooks-run.ts";

/** `kilde webhooks` */
export function webhooksCommand(context: CliContext): Command {
  const command = new Command("webhooks")
    .description("Manages webhook subscriptions, which deliver logs to endpoints.")
    .addHelpText(
      "after",
      examples(
        "kilde webhooks",
        "kilde webhooks create /feeds/declarations/v2 https://example.org/hook --from beginning",
        "kilde webhooks attempts sub_…",
      ),
    );
  command.addCommand(webhooksListCommand(context), { isDefault: true });
  for (const subcommand of [
    webhooksShowCommand(context),
    ...webhooksChangeCommands(context),
    ...webhooksRunCommands(context),
    ...webhooksDeliveriesCommands(context),
  ]) {
    command.addCommand(subcommand);
  }
  return command;
}
