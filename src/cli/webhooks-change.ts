import type { Command } from "commander";

import type { Credentials, NewSubscription } from "../client/subscription-types.ts";
import type { CliContext } from "./context.ts";
import { CliError, EXIT } from "./exit.ts";
import { examples, jsonOption, reasonOption, serverCommand } from "./options.ts";
import { type SettingFlags, settingsOf, startAt, withSettingOptions } from "./webhook-settings.ts";
import { subscriptionText } from "./webhooks-list.ts";
import { print, type WebhookFlags, withSubscriptions } from "./webhooks-server.ts";

interface CreateFlags extends WebhookFlags, SettingFlags {
  readonly from?: NewSubscription["start"];
  readonly secret?: string;
  readonly ed25519?: boolean;
}

interface ChangeFlags extends WebhookFlags, SettingFlags {
  readonly to?: string;
  readonly allTypes?: boolean;
  readonly noHeaders?: boolean;
}

/** The secret and key with which a receiver verifies signatures, shown once. */
export function credentialsText({ secret, publicKey }: Credentials): string {
  const shown = secret ?? publicKey ?? "";
  const once = secret === null ? "its public key" : "shown only now";
  return `Its receiver verifies with (${once}):\n${shown}\n`;
}

async function create(
  context: CliContext,
  source: string,
  endpoint: string,
  flags: CreateFlags,
): Promise<void> {
  const { from, secret, ed25519 } = flags;
  const made = await withSubscriptions(context, flags, (subscriptions) =>
    subscriptions.create({
      source,
      url: endpoint,
      ...settingsOf(flags),
      ...(from === undefined ? {} : { start: from }),
      ...(secret === undefined ? {} : { secret }),
      ...(ed25519 === true ? { signature: "ed25519" } : {}),
    }),
  );
  await print(context, flags, made, `${subscriptionText(made)}\n${credentialsText(made)}`);
}

async function change(context: CliContext, id: string, flags: ChangeFlags): Promise<void> {
  const changed = {
    ...settingsOf(flags),
    ...(flags.to === undefined ? {} : { url: flags.to }),
    ...(flags.allTypes === true ? { types: null } : {}),
    ...(flags.noHeaders === true ? { headers: {} } : {}),
  };
  if (Object.keys(changed).length === 0) {
    throw new CliError(EXIT.usage, "No setting was stated", "See `kilde webhooks change --help`.");
  }
  const shown = await withSubscriptions(context, flags, (subscriptions) => subscriptions.change(id, changed));
  await print(context, flags, shown, subscriptionText(shown));
}

/** `kilde webhooks create`, `change` and `delete` */
export function webhooksChangeCommands(context: CliContext): Command[] {
  const createCommand = withSettingOptions(
    serverCommand("create")
      .description(
        "Creates a subscription that delivers a log to an endpoint, and prints the secret with which its receiver verifies signatures.",
      )
      .argument("<source>", "the log: /events, or a feed such as /feeds/declarations/v2")
      .argument("<endpoint>", "address of the endpoint, such as https://example.org/hook")
      .option(
        "--from <start>",
        'start of the deliveries: "beginning", "now" (default), after a position, or from a time on',
        startAt,
      ),
  )
    .option("--secret <secret>", "sign with this whsec_… or whsk_… secret (default: a new one)")
    .option("--ed25519", "a new secret is a key pair: the receiver needs only the public key")
    .addOption(reasonOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      examples(
        "kilde webhooks create /feeds/declarations/v2 https://example.org/hook --from beginning",
        'kilde webhooks create /events https://example.org/hook --type UserRegistered --header "X-Tenant: t-7"',
      ),
    )
    .action((source: string, endpoint: string, flags: CreateFlags) =>
      create(context, source, endpoint, flags),
    );

  const changeCommand = withSettingOptions(
    serverCommand("change")
      .description("Changes the stated settings of a subscription. --header replaces all of its headers.")
      .argument("<subscription>", "its id")
      .option("--to <endpoint>", "new address of the endpoint"),
  )
    .option("--all-types", "events of all types again")
    .option("--no-headers", "remove all headers of the subscription")
    .addOption(reasonOption())
    .addOption(jsonOption())
    .addHelpText("after", examples("kilde webhooks change sub_… --to https://example.org/other"))
    .action((id: string, { headers, ...flags }: ChangeFlags & { readonly headers?: boolean }) =>
      change(context, id, { ...flags, noHeaders: headers === false }),
    );

  const deleteCommand = serverCommand("delete")
    .description("Removes a subscription, with its cursor.")
    .argument("<subscription>", "its id")
    .addOption(reasonOption())
    .addOption(jsonOption())
    .action(async (id: string, flags: WebhookFlags) => {
      await withSubscriptions(context, flags, (subscriptions) => subscriptions.remove(id));
      await print(context, flags, { subscription: id }, `${id} is deleted.\n`);
    });

  return [createCommand, changeCommand, deleteCommand];
}
