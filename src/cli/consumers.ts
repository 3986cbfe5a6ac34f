import { Command, Option } from "commander";

import type { ConsumerInfo } from "../client/types.ts";
import type { CliContext } from "./context.ts";
import { consumersLagCommand } from "./consumers-lag.ts";
import { feedOption, type FeedVersionArgument } from "./log-source.ts";
import { examples, jsonOption, serverCommand, type ServerFlags } from "./options.ts";
import { withServer } from "./server.ts";
import { type Column, printTable } from "./table.ts";

interface ConsumersFlags extends ServerFlags {
  readonly json?: boolean;
  readonly feed?: FeedVersionArgument;
  readonly state?: ConsumerInfo["state"];
}

const COLUMNS: readonly Column[] = [
  { heading: "STATE", width: 14 },
  { heading: "COMMITTED", width: 10, isNumber: true },
  { heading: "SENT", width: 10, isNumber: true },
  { heading: "LAG", width: 22 },
  { heading: "LAST SEEN", width: 24 },
  { heading: "CONSUMER", width: 0 },
];

const STATES: readonly ConsumerInfo["state"][] = ["keeps-up", "late", "blocked", "silent"];

/** Longest part of a failure's message that is printed. */
const MESSAGE_LENGTH = 120;

function stateText({ state, blocked }: ConsumerInfo): string {
  return state === "blocked" ? `blocked (${blocked})` : state.replace("-", " ");
}

/** The consumer's name, with the failure that blocks it. */
function nameText({ consumer, active, failure }: ConsumerInfo): string {
  const name = active ? consumer : `${consumer}  (gone)`;
  if (failure === null) return name;
  const message = failure.message.replaceAll(/\p{Cf}/gu, " ").slice(0, MESSAGE_LENGTH);
  return `${name}  (${JSON.stringify(failure.subject)}: ${message})`;
}

function cells(info: ConsumerInfo): readonly string[] {
  const { committed, sent, lag, seen } = info;
  const position = (value: number | null) => (value === null ? "-" : String(value));
  const behind = `${lag.events} events, ${lag.seconds} s`;
  return [stateText(info), position(committed), position(sent), behind, seen, nameText(info)];
}

async function consumers(context: CliContext, flags: ConsumersFlags): Promise<void> {
  const { json, feed, state, ...server } = flags;
  const listing = { columns: COLUMNS, cells, asJson: json === true };
  const options = state === undefined ? {} : { states: [state] };
  await withServer(context, server, ({ client }) =>
    printTable(context, client.consumers(feed, options), listing),
  );
}

function listCommand(context: CliContext): Command {
  return serverCommand("list")
    .description(
      "Lists the consumers of the event log or a feed: their state (keeps up, late, blocked or silent), their positions, and the time of their last request.",
    )
    .addOption(feedOption())
    .addOption(new Option("--state <state>", "only consumers in this state").choices(STATES))
    .addOption(jsonOption("print JSON, one consumer a line"))
    .addHelpText(
      "after",
      examples("kilde consumers", "kilde consumers --state late", "kilde consumers --feed declarations/v1"),
    )
    .action((flags: ConsumersFlags) => consumers(context, flags));
}

/** `kilde consumers` */
export function consumersCommand(context: CliContext): Command {
  return new Command("consumers")
    .description("Lists the consumers of the event log or a feed, and shows their lag.")
    .addHelpText("after", examples("kilde consumers", "kilde consumers lag cards --feed declarations/v1"))
    .addCommand(listCommand(context), { isDefault: true })
    .addCommand(consumersLagCommand(context));
}
