import { Command } from "commander";

import type { ConsumerInfo } from "../client/types.ts";
import type { CliContext } from "./context.ts";
import { feedOption, type FeedVersion } from "./log-source.ts";
import { examples, jsonOption, urlOption } from "./options.ts";
import { withServer } from "./server.ts";
import { type Column, printTable } from "./table.ts";

interface ConsumersFlags {
  readonly url?: string;
  readonly json?: boolean;
  readonly feed?: FeedVersion;
}

const COLUMNS: readonly Column[] = [
  { heading: "COMMITTED", width: 10, isNumber: true },
  { heading: "SENT", width: 10, isNumber: true },
  { heading: "LAG", width: 22 },
  { heading: "LAST SEEN", width: 24 },
  { heading: "CONSUMER", width: 0 },
];

function cells({ consumer, committed, sent, lag, seen, active }: ConsumerInfo): readonly string[] {
  const position = (value: number | null) => (value === null ? "-" : String(value));
  const behind = `${lag.events} events, ${lag.seconds} s`;
  return [position(committed), position(sent), behind, seen, active ? consumer : `${consumer}  (gone)`];
}

async function consumers(context: CliContext, { url, json, feed }: ConsumersFlags): Promise<void> {
  const listing = { columns: COLUMNS, cells, asJson: json === true };
  await withServer(context, url, ({ client }) => printTable(context, client.consumers(feed), listing));
}

/** `kilde consumers` */
export function consumersCommand(context: CliContext): Command {
  return new Command("consumers")
    .description(
      "Lists who reads the event log or a feed: how far they are, how far behind, and when they were last seen.",
    )
    .addOption(feedOption())
    .addOption(urlOption())
    .addOption(jsonOption("print JSON, one consumer a line"))
    .addHelpText("after", examples("kilde consumers", "kilde consumers --feed declarations/v1"))
    .action((flags: ConsumersFlags) => consumers(context, flags));
}
