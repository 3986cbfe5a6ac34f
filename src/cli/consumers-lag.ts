import type { Command } from "commander";

import type { ConsumerLag } from "../client/types.ts";
import type { CliContext } from "./context.ts";
import { feedOption, type FeedVersionArgument } from "./log-source.ts";
import { examples, jsonOption, serverCommand, type ServerFlags } from "./options.ts";
import { withServer } from "./server.ts";
import { type Column, printTable } from "./table.ts";

interface LagFlags extends ServerFlags {
  readonly json?: boolean;
  readonly feed?: FeedVersionArgument;
}

const COLUMNS: readonly Column[] = [
  { heading: "TIME", width: 24 },
  { heading: "EVENTS", width: 10, isNumber: true },
  { heading: "SECONDS", width: 10, isNumber: true },
];

/** `kilde consumers lag` */
export function consumersLagCommand(context: CliContext): Command {
  return serverCommand("lag")
    .description(
      "Prints the lag of a consumer in the last 24 hours, every five minutes, in events and in seconds.",
    )
    .argument("<consumer>", "its name")
    .addOption(feedOption())
    .addOption(jsonOption("print JSON, one sample a line"))
    .addHelpText("after", examples("kilde consumers lag cards --feed declarations/v1"))
    .action(async (consumer: string, { json, feed, ...flags }: LagFlags) => {
      const { samples } = await withServer(context, flags, ({ client }) =>
        client.consumerLag(consumer, feed),
      );
      await printTable(context, samples, {
        columns: COLUMNS,
        cells: ({ time, events, seconds }: ConsumerLag["samples"][number]) => [
          time,
          String(events),
          String(seconds),
        ],
        asJson: json === true,
      });
    });
}
