import { Command } from "commander";

import type { CliContext } from "./context.ts";
import { CliError, EXIT } from "./exit.ts";
import { examples, jsonOption, repeatable, urlOption, wholeNumber } from "./options.ts";
import { credentialsText } from "./webhooks-change.ts";
import { say, statusText, type WebhookFlags, withSubscriptions } from "./webhooks-server.ts";

interface RewindFlags extends WebhookFlags {
  readonly after?: number;
  readonly upTo?: number;
  readonly subject?: readonly string[];
  readonly dryRun?: boolean;
}

interface RotateFlags extends WebhookFlags {
  readonly secret?: string;
  readonly overlap?: number;
}

function named(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .argument("<subscription>", "its id")
    .addOption(urlOption())
    .addOption(jsonOption());
}

async function rewind(context: CliContext, id: string, flags: RewindFlags): Promise<void> {
  const { after, upTo, subject, dryRun } = flags;
  const counted = await withSubscriptions(context, flags, (subscriptions) =>
    subscriptions.rewind(id, {
      ...(after === undefined ? {} : { after }),
      ...(upTo === undefined ? {} : { upTo }),
      ...(subject === undefined ? {} : { subjects: subject }),
      ...(dryRun === undefined ? {} : { dryRun }),
    }),
  );
  const what = `${counted.events} events of ${counted.subjects} subjects`;
  const text = counted.dryRun ? `${what} would be delivered again.\n` : `${what} are delivered again.\n`;
  await say(context, flags, counted, text);
}

async function test(context: CliContext, id: string, flags: WebhookFlags): Promise<void> {
  const delivered = await withSubscriptions(context, flags, (subscriptions) => subscriptions.test(id));
  const { acknowledged, error, durationMs, webhookId } = delivered;
  if (flags.json === true || acknowledged) {
    await say(context, flags, delivered, `${webhookId} was acknowledged (${durationMs} ms).\n`);
  }
  if (acknowledged) return;
  throw new CliError(
    EXIT.failure,
    `The endpoint did not acknowledge ${webhookId}: ${error ?? "unknown"} (${durationMs} ms)`,
    "It has to answer 2xx within 15 s; redirects are not followed.",
  );
}

/** `kilde webhooks pause`, `resume`, `rewind`, `test` and `rotate-secret` */
export function webhooksRunCommands(context: CliContext): Command[] {
  return [
    named("pause", "Delivers nothing until it is resumed; the cursor stays where it is.")
      .option("--reason <text>", "for whoever wonders")
      .action(async (id: string, flags: WebhookFlags & { readonly reason?: string }) => {
        const shown = await withSubscriptions(context, flags, (subscriptions) =>
          subscriptions.pause(id, flags.reason),
        );
        await say(context, flags, shown, `${id} is ${statusText(shown)}, at position ${shown.cursor}.\n`);
      }),
    named("resume", "Goes on from the cursor. An endpoint that is down is tried at once.").action(
      async (id: string, flags: WebhookFlags) => {
        const shown = await withSubscriptions(context, flags, (subscriptions) => subscriptions.resume(id));
        await say(context, flags, shown, `${id} is ${statusText(shown)}, at position ${shown.cursor}.\n`);
      },
    ),
    named(
      "rewind",
      "Delivers again, in order for each subject, while what is new is delivered, too. --dry-run only counts.",
    )
      .option(
        "--after <position>",
        "events after this position (default: 0, from the beginning)",
        wholeNumber,
      )
      .option("--up-to <position>", "and up to this one (default: all that was delivered)", wholeNumber)
      .addOption(repeatable("--subject <name>", "only of this subject; may be repeated"))
      .option("--dry-run", "only count what would be delivered again")
      .addHelpText(
        "after",
        examples(
          "kilde webhooks rewind sub_… --after 120000 --dry-run",
          "kilde webhooks rewind sub_… --subject user-1 --subject user-2",
        ),
      )
      .action((id: string, flags: RewindFlags) => rewind(context, id, flags)),
    named("test", "Delivers an event of type kilde.test, once, and tells what became of it.").action(
      (id: string, flags: WebhookFlags) => test(context, id, flags),
    ),
    named("rotate-secret", "Signs with a new secret, and with the old one for an overlap.")
      .option("--secret <secret>", "the new one (default: generated, of the same kind)")
      .option("--overlap <seconds>", "how long the old one signs, too (default: 86400)", wholeNumber)
      .action(async (id: string, flags: RotateFlags) => {
        const { secret, overlap } = flags;
        const credentials = await withSubscriptions(context, flags, (subscriptions) =>
          subscriptions.rotateSecret(id, {
            ...(secret === undefined ? {} : { secret }),
            ...(overlap === undefined ? {} : { overlapSeconds: overlap }),
          }),
        );
        await say(context, flags, credentials, credentialsText(credentials));
      }),
  ];
}
