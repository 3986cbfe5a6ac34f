import { Command } from "commander";

import type { ConsumerInfo } from "../client/types.ts";
import type { CliContext } from "./context.ts";
import { feedOption, type FeedVersion } from "./log-source.ts";
import { examples, jsonOption, urlOption } from "./options.ts";
import { withServer } from "./server.ts";

interface ConsumersFlags {
  readonly url?: string;
  readonly json?: boolean;
  readonly feed?: FeedVersion;
}

const HEADING = ["COMMITTED", "SENT", "LAG", "LAST SEEN", "CONSUMER"];

function line([committed = "", sent = "", lag = "", seen = "", name = ""]: readonly string[]): string {
  return `${committed.padStart(10)}  ${sent.padStart(10)}  ${lag.padEnd(22)}  ${seen.padEnd(24)}  ${name}\n`;
}

function row({ consumer, committed, sent, lag, seen, active }: ConsumerInfo): string {
  const position = (value: number | null) => (value === null ? "-" : String(value));
  const behind = `${lag.events} events, ${lag.seconds} s`;
  return line([position(committed), position(sent), behind, seen, active ? consumer : `${consumer}  (gone)`]);
}

async function consumers(context: CliContext, { url, json, feed }: ConsumersFlags): Promise<void> {
  if (json !== true) await context.stdout.write(line(HEADING));
  await withServer(context, url, async ({ client }) => {
    for await (const info of client.consumers(feed)) {
      await context.stdout.write(json === true ? `${JSON.stringify(info)}\n` : row(info));
    }
  });
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
