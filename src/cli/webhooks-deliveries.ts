import { type Command, Option } from "commander";

import type { BlockedDelivery, DeliveryAttempt, SkippedEvent } from "../client/subscription-types.ts";
import type { CliContext } from "./context.ts";
import { examples, jsonOption, reasonOption, serverCommand, parseWholeNumber } from "./options.ts";
import { type Column, printTable } from "./table.ts";
import { print, type WebhookFlags, withSubscriptions } from "./webhooks-server.ts";

const TIME: Column = { heading: "TIME", width: 24 };
const SUBJECT: Column = { heading: "SUBJECT", width: 24 };
const SEQUENCE: Column = { heading: "SEQUENCE", width: 10, isNumber: true };
const ATTEMPTS: Column = { heading: "ATTEMPTS", width: 8, isNumber: true };
const OUTCOME: Column = { heading: "OUTCOME", width: 14 };

interface AttemptsFlags extends WebhookFlags {
  readonly outcome?: DeliveryAttempt["outcome"];
  readonly limit?: number;
}

function attempts(context: CliContext, id: string, flags: AttemptsFlags): Promise<void> {
  const columns = [TIME, OUTCOME, { heading: "MS", width: 6, isNumber: true }, SUBJECT];
  const { outcome, limit } = flags;
  return withSubscriptions(context, flags, async (subscriptions) =>
    printTable(context, (await subscriptions.attempts(id, { outcome, limit })).attempts, {
      columns: [...columns, { heading: "WEBHOOK-ID", width: 0 }],
      cells: ({ time, error, durationMs, subject, webhookId }: DeliveryAttempt) => [
        time,
        error ?? "acknowledged",
        String(durationMs),
        subject ?? "-",
        webhookId,
      ],
      asJson: flags.json === true,
    }),
  );
}

function blocked(context: CliContext, id: string, flags: WebhookFlags): Promise<void> {
  const columns = [SUBJECT, SEQUENCE, ATTEMPTS, OUTCOME, { heading: "NEXT ATTEMPT", width: 24 }];
  return withSubscriptions(context, flags, (subscriptions) =>
    printTable(context, subscriptions.blocked(id), {
      columns: [...columns, { heading: "SINCE", width: 0 }],
      cells: ({ subject, sequence, attempts: tried, error, nextAttempt, since }: BlockedDelivery) => [
        subject,
        String(Number(sequence)),
        String(tried),
        error,
        nextAttempt ?? "by request",
        since,
      ],
      asJson: flags.json === true,
    }),
  );
}

function skips(context: CliContext, id: string, flags: WebhookFlags): Promise<void> {
  return withSubscriptions(context, flags, async (subscriptions) =>
    printTable(context, await subscriptions.skips(id), {
      columns: [TIME, SUBJECT, SEQUENCE, ATTEMPTS, OUTCOME],
      cells: ({ time, subject, sequence, attempts: tried, error }: SkippedEvent) => [
        time,
        subject,
        String(Number(sequence)),
        String(tried),
        error ?? "-",
      ],
      asJson: flags.json === true,
    }),
  );
}

function named(name: string, description: string): Command {
  return serverCommand(name)
    .description(description)
    .argument("<subscription>", "its id")
    .addOption(jsonOption("print JSON, one entry per line"));
}

/** `kilde webhooks attempts`, `blocked`, `retry`, `skip` and `skips` */
export function webhooksDeliveriesCommands(context: CliContext): Command[] {
  return [
    named(
      "attempts",
      "Lists the latest attempts, the latest first: 25 of each outcome, or as many as --keep-attempts keeps. --json prints requests and answers that are kept.",
    )
      .addOption(
        new Option("--outcome <outcome>", "only attempts with this outcome").choices(["delivered", "failed"]),
      )
      .option("--limit <number>", "most attempts, at most 200 (default: 50)", parseWholeNumber)
      .addHelpText("after", examples("kilde webhooks attempts sub_… --outcome failed"))
      .action((id: string, flags: AttemptsFlags) => attempts(context, id, flags)),
    named("blocked", "Lists the blocked subjects; deliveries of other subjects continue.").action(
      (id: string, flags: WebhookFlags) => blocked(context, id, flags),
    ),
    serverCommand("retry")
      .description("Retries the event that blocks a subject, at once.")
      .argument("<subscription>", "its id")
      .argument("<subject>", "the blocked subject")
      .addOption(jsonOption())
      .action(async (id: string, subject: string, flags: WebhookFlags) => {
        await withSubscriptions(context, flags, (subscriptions) => subscriptions.retry(id, subject));
        await print(context, flags, { subscription: id, subject }, `${subject} is tried again.\n`);
      }),
    serverCommand("skip")
      .description(
        "Skips the event that blocks a subject, records the skip, and continues with the next event.",
      )
      .argument("<subscription>", "its id")
      .argument("<subject>", "the blocked subject")
      .option("--sequence <version>", "only if this is the event that blocks it", parseWholeNumber)
      .addOption(reasonOption())
      .addOption(jsonOption())
      .addHelpText("after", examples("kilde webhooks skip sub_… user-1 --sequence 12"))
      .action(async (id: string, subject: string, flags: WebhookFlags & { readonly sequence?: number }) => {
        const { sequence } = flags;
        const skipped = await withSubscriptions(context, flags, (subscriptions) =>
          subscriptions.skip(id, subject, sequence === undefined ? {} : { sequence }),
        );
        const text = `Event ${Number(skipped.sequence)} of ${subject} is skipped; \`kilde webhooks skips\` lists it.\n`;
        await print(context, flags, skipped, text);
      }),
    named("skips", "Lists the skipped events, the latest first.").action((id: string, flags: WebhookFlags) =>
      skips(context, id, flags),
    ),
  ];
}
