import type { Command } from "commander";

import type { CliContext } from "./context.ts";
import { CliError, EXIT } from "./exit.ts";
import {
  examples,
  jsonOption,
  reasonOption,
  repeatable,
  serverCommand,
  parseWholeNumber,
} from "./options.ts";
import { credentialsText } from "./webhooks-change.ts";
import { print, statusText, type WebhookFlags, withSubscriptions } from "./webhooks-server.ts";

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
  return serverCommand(name)
    .description(description)
    .argument("<subscription>", "its id")
    .addOption(jsonOption());
}

function recorded(name: string, description: string): Command {
  return named(name, description).addOption(reasonOption());
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
  await print(context, flags, counted, text);
}

async function test(context: CliContext, id: string, flags: WebhookFlags): Promise<void> {
  const delivered = await withSubscriptions(context, flags, (subscriptions) => subscriptions.test(id));
  const { acknowledged, error, durationMs, webhookId } = delivered;
  if (flags.json === true || acknowledged) {
    await print(context, flags, delivered, `${webhookId} was acknowledged (${durationMs} ms).\n`);
  }
  if (acknowledged) return;
  throw new CliError(
    EXIT.failure,
    `The endpoint did not acknowledge ${webhookId}: ${error ?? "unknown"} (${durationMs} ms)`,
    "It must answer 2xx within 15 s; redirects are not followed.",
  );
}

/** `kilde webhooks pause`, `resume`, `rewind`, `test` and `rotate-secret` */
export function webhooksRunCommands(context: CliContext): Command[] {
  return [
    named("pause", "Pauses the deliveries until `resume`; the cursor does not move.")
      .option("--reason <text>", "reason that the subscription shows")
      .action(async (id: string, flags: WebhookFlags & { readonly reason?: string }) => {
        const shown = await withSubscriptions(context, flags, (subscriptions) =>
          subscriptions.pause(id, flags.reason),
        );
        await print(context, flags, shown, `${id} is ${statusText(shown)}, at position ${shown.cursor}.\n`);
      }),
    recorded("resume", "Continues from the cursor. Retries an endpoint that is down at once.").action(
      async (id: string, flags: WebhookFlags) => {
        const shown = await withSubscriptions(context, flags, (subscriptions) => subscriptions.resume(id));
        await print(context, flags, shown, `${id} is ${statusText(shown)}, at position ${shown.cursor}.\n`);
      },
    ),
    recorded(
      "rewind",
      "Delivers events again, in order for each subject, while deliveries of new events continue. --dry-run only counts them.",
    )
      .option(
        "--after <position>",
        "events after this position (default: 0, from the beginning)",
        parseWholeNumber,
      )
      .option("--up-to <position>", "last position (default: all delivered events)", parseWholeNumber)
      .addOption(repeatable("--subject <name>", "only of this subject; may be repeated"))
      .option("--dry-run", "only count the events")
      .addHelpText(
        "after",
        examples(
          "kilde webhooks rewind sub_… --after 120000 --dry-run",
          "kilde webhooks rewind sub_… --subject user-1 --subject user-2",
        ),
      )
      .action((id: string, flags: RewindFlags) => rewind(context, id, flags)),
    named("test", "Delivers an event of type kilde.test, once, and reports the result.").action(
      (id: string, flags: WebhookFlags) => test(context, id, flags),
    ),
    recorded("rotate-secret", "Signs with a new secret, and with the old one for an overlap.")
      .option("--secret <secret>", "the new secret (default: generated, of the same kind)")
      .option(
        "--overlap <seconds>",
        "how long the old secret signs as well (default: 86400)",
        parseWholeNumber,
      )
      .action(async (id: string, flags: RotateFlags) => {
        const { secret, overlap } = flags;
        const credentials = await withSubscriptions(context, flags, (subscriptions) =>
          subscriptions.rotateSecret(id, {
            ...(secret === undefined ? {} : { secret }),
            ...(overlap === undefined ? {} : { overlapSeconds: overlap }),
          }),
        );
        await print(context, flags, credentials, credentialsText(credentials));
      }),
  ];
}
