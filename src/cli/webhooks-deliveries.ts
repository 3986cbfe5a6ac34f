import { Command } from "commander";

import type { BlockedSubject, DeliveryAttempt, SkippedEvent } from "../client/subscription-types.ts";
import type { CliContext } from "./context.ts";
import { examples, jsonOption, urlOption, wholeNumber } from "./options.ts";
import { type Column, tableHeading, tableRow } from "./table.ts";
import { say, type WebhookFlags, withSubscriptions } from "./webhooks-server.ts";

const TIME: Column = { heading: "TIME", width: 24 };
const SUBJECT: Column = { heading: "SUBJECT", width: 24 };
const SEQUENCE: Column = { heading: "SEQUENCE", width: 10, isNumber: true };
const ATTEMPTS: Column = { heading: "ATTEMPTS", width: 8, isNumber: true };
const OUTCOME: Column = { heading: "OUTCOME", width: 14 };

/** A list that is printed as a table, or as JSON, an entry a line. */
async function print<Entry>(
  { stdout }: CliContext,
  { json }: WebhookFlags,
  entries: AsyncIterable<Entry> | Iterable<Entry>,
  columns: readonly Column[],
  cells: (entry: Entry) => readonly string[],
): Promise<void> {
  if (json !== true) await stdout.write(tableHeading(columns));
  for await (const entry of entries) {
    await stdout.write(json === true ? `${JSON.stringify(entry)}\n` : tableRow(columns, cells(entry)));
  }
}

function attempts(context: CliContext, id: string, flags: WebhookFlags): Promise<void> {
  const columns = [TIME, OUTCOME, { heading: "MS", width: 6, isNumber: true }, SUBJECT];
  return withSubscriptions(context, flags, async (subscriptions) =>
    print(
      context,
      flags,
      await subscriptions.attempts(id),
      [...columns, { heading: "WEBHOOK-ID", width: 0 }],
      ({ time, error, durationMs, subject, webhookId }: DeliveryAttempt) => [
        time,
        error ?? "acknowledged",
        String(durationMs),
        subject ?? "-",
        webhookId,
      ],
    ),
  );
}

function blocked(context: CliContext, id: string, flags: WebhookFlags): Promise<void> {
  const columns = [SUBJECT, SEQUENCE, ATTEMPTS, OUTCOME, { heading: "NEXT ATTEMPT", width: 24 }];
  return withSubscriptions(context, flags, (subscriptions) =>
    print(
      context,
      flags,
      subscriptions.blocked(id),
      [...columns, { heading: "SINCE", width: 0 }],
      ({ subject, sequence, attempts: tried, error, nextAttempt, since }: BlockedSubject) => [
        subject,
        String(Number(sequence)),
        String(tried),
        error,
        nextAttempt ?? "by request",
        since,
      ],
    ),
  );
}

function skips(context: CliContext, id: string, flags: WebhookFlags): Promise<void> {
  return withSubscriptions(context, flags, async (subscriptions) =>
    print(
      context,
      flags,
      await subscriptions.skips(id),
      [TIME, SUBJECT, SEQUENCE, ATTEMPTS, OUTCOME],
      ({ time, subject, sequence, attempts: tried, error }: SkippedEvent) => [
        time,
        subject,
        String(Number(sequence)),
        String(tried),
        error ?? "-",
      ],
    ),
  );
}

function named(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .argument("<subscription>", "its id")
    .addOption(urlOption())
    .addOption(jsonOption("print JSON, one entry a line"));
}

/** `kilde webhooks attempts`, `blocked`, `retry`, `skip` and `skips` */
export function webhooksDeliveriesCommands(context: CliContext): Command[] {
  return [
    named("attempts", "Lists the latest attempts: 25 that succeeded, and 25 that failed.").action(
      (id: string, flags: WebhookFlags) => attempts(context, id, flags),
    ),
    named("blocked", "Lists the subjects of which an event was not taken; the others go on.").action(
      (id: string, flags: WebhookFlags) => blocked(context, id, flags),
    ),
    new Command("retry")
      .description("Has the event that blocks a subject tried at once.")
      .argument("<subscription>", "its id")
      .argument("<subject>", "the blocked subject")
      .addOption(urlOption())
      .addOption(jsonOption())
      .action(async (id: string, subject: string, flags: WebhookFlags) => {
        await withSubscriptions(context, flags, (subscriptions) => subscriptions.retry(id, subject));
        await say(context, flags, { subscription: id, subject }, `${subject} is tried again.\n`);
      }),
    new Command("skip")
      .description("Gives up the event that blocks a subject, on record, and goes on with the next.")
      .argument("<subscription>", "its id")
      .argument("<subject>", "the blocked subject")
      .option("--sequence <version>", "only if this is the event that blocks it", wholeNumber)
      .addOption(urlOption())
      .addOption(jsonOption())
      .addHelpText("after", examples("kilde webhooks skip sub_… user-1 --sequence 12"))
      .action(async (id: string, subject: string, flags: WebhookFlags & { readonly sequence?: number }) => {
        const { sequence } = flags;
        const skipped = await withSubscriptions(context, flags, (subscriptions) =>
          subscriptions.skip(id, subject, sequence === undefined ? {} : { sequence }),
        );
        const text = `Event ${Number(skipped.sequence)} of ${subject} is skipped; \`kilde webhooks skips\` lists it.\n`;
        await say(context, flags, skipped, text);
      }),
    named("skips", "Lists the events that were given up, the latest first.").action(
      (id: string, flags: WebhookFlags) => skips(context, id, flags),
    ),
  ];
}
