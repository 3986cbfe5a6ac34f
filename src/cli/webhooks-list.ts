import { type Command, Option } from "commander";

import type { Subscription } from "../client/subscription-types.ts";
import type { CliContext } from "./context.ts";
import { escapeLine } from "./control-characters.ts";
import { examples, jsonOption, serverCommand } from "./options.ts";
import { type Column, printTable } from "./table.ts";
import { print, statusText, type WebhookFlags, withSubscriptions } from "./webhooks-server.ts";

const COLUMNS: readonly Column[] = [
  { heading: "SUBSCRIPTION", width: 36 },
  { heading: "MODE", width: 8 },
  { heading: "LAG", width: 20 },
  { heading: "BLOCKED", width: 7, isNumber: true },
  { heading: "SOURCE", width: 24 },
  { heading: "URL", width: 32 },
  { heading: "STATUS", width: 0 },
];

const lagText = ({ lag }: Subscription) => `${lag.events} events, ${lag.seconds} s`;

function cells(entry: Subscription): readonly string[] {
  const { subscription, mode, blocked, source, url } = entry;
  return [subscription, mode, lagText(entry), String(blocked), source, url, statusText(entry)];
}

interface WebhooksListFlags extends WebhookFlags {
  readonly status?: Subscription["status"];
  readonly source?: string;
}

const STATUSES: readonly Subscription["status"][] = ["active", "catching-up", "failing", "paused"];

async function listSubscriptions(context: CliContext, flags: WebhooksListFlags): Promise<void> {
  const { json, status, source, ...server } = flags;
  const listing = { columns: COLUMNS, cells, asJson: json === true };
  const options = {
    ...(status === undefined ? {} : { statuses: [status] }),
    ...(source === undefined ? {} : { source }),
  };
  await withSubscriptions(context, server, (subscriptions) =>
    printTable(context, subscriptions.list(options), listing),
  );
}

function deliveryText({ mode, batch, concurrency, attempts }: Subscription): string {
  const size = batch === null ? "" : ` of up to ${batch.events} events, ${batch.bytes} bytes`;
  const end = attempts === null ? "retried without end" : `tried ${attempts} times`;
  return `${mode}${size}; ${concurrency} at a time; ${end}`;
}

/** A subscription as `show` prints it: one member per line, without empty ones. */
export function subscriptionText(shown: Subscription): string {
  const { types, subjectPrefix, headers, handshake, endpoint, rewind, blocked } = shown;
  const rate = handshake?.ratePerMinute ?? null;
  const lines: readonly (readonly [string, string | null])[] = [
    ["subscription", shown.subscription],
    ["description", shown.description === "" ? null : shown.description],
    ["source", shown.source],
    ["url", shown.url],
    ["types", types === null ? null : types.join(", ")],
    ["subjects", subjectPrefix === "" ? null : `${subjectPrefix}…`],
    ["delivery", deliveryText(shown)],
    ["headers", headers.length === 0 ? null : headers.join(", ")],
    [
      "handshake",
      handshake === null ? null : `${handshake.origin}${rate === null ? "" : `, at most ${rate} a minute`}`,
    ],
    ["status", `${statusText(shown)}, since ${shown.since}`],
    [
      "endpoint",
      endpoint === null ? null : `down since ${endpoint.since}; tried again ${endpoint.nextProbe}`,
    ],
    ["cursor", String(shown.cursor)],
    ["lag", lagText(shown)],
    ["rewind", rewind === null ? null : `walked up to ${rewind.walked} of ${rewind.upTo}`],
    ["blocked", blocked === 0 ? null : `${blocked} subjects; see \`kilde webhooks blocked\``],
    ["created", shown.created],
    // Servers of earlier versions do not name it.
    ["creator", shown.creator ?? null],
  ];
  return lines
    .map(([name, value]) => (value === null ? "" : `${name.padEnd(14)}${escapeLine(value)}\n`))
    .join("");
}

/** `kilde webhooks list` */
export function webhooksListCommand(context: CliContext): Command {
  return serverCommand("list")
    .description("Lists webhook subscriptions with their state and lag.")
    .addOption(new Option("--status <status>", "only subscriptions with this status").choices(STATUSES))
    .option("--source <path>", 'only subscriptions of this log, such as "/events"')
    .addOption(jsonOption("print JSON, one subscription per line"))
    .addHelpText("after", examples("kilde webhooks", "kilde webhooks list --status failing"))
    .action((flags: WebhooksListFlags) => listSubscriptions(context, flags));
}

/** `kilde webhooks show` */
export function webhooksShowCommand(context: CliContext): Command {
  return serverCommand("show")
    .description("Shows a subscription and its state.")
    .argument("<subscription>", "its id")
    .addOption(jsonOption())
    .action(async (id: string, flags: WebhookFlags) => {
      const shown = await withSubscriptions(context, flags, (subscriptions) => subscriptions.get(id));
      await print(context, flags, shown, subscriptionText(shown));
    });
}
