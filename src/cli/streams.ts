import { Command } from "commander";

import type { StreamInfo } from "../client/types.ts";
import type { CliContext } from "./context.ts";
import { examples, jsonOption, urlOption, wholeNumber } from "./options.ts";
import { withServer } from "./server.ts";

interface StreamsFlags {
  readonly url?: string;
  readonly changedSince?: number;
  readonly limit?: number;
  readonly json?: boolean;
}

/** Most streams that are asked for at once. */
const PAGE_STREAMS = 1_000;

function row({ stream, version, position, time, erased }: StreamInfo): string {
  return `${String(version).padStart(8)}  ${String(position).padStart(10)}  ${time}  ${stream}${erased ? "  (erased)" : ""}\n`;
}

async function streams(context: CliContext, prefix: string | undefined, flags: StreamsFlags): Promise<void> {
  const asJson = flags.json === true;
  if (!asJson) await context.stdout.write(` VERSION    POSITION  ${"LAST EVENT".padEnd(24)}  STREAM\n`);
  const { changedSince, limit: most = Number.POSITIVE_INFINITY } = flags;
  if (most === 0) return;
  const list = {
    pageSize: Math.min(most, PAGE_STREAMS),
    ...(prefix === undefined ? {} : { prefix }),
    ...(changedSince === undefined ? {} : { changedSince }),
  };
  await withServer(context, flags.url, async ({ client }) => {
    let listed = 0;
    for await (const info of client.streams(list)) {
      await context.stdout.write(asJson ? `${JSON.stringify(info)}\n` : row(info));
      listed += 1;
      if (listed === most) return;
    }
  });
}

/** `kilde streams` */
export function streamsCommand(context: CliContext): Command {
  return new Command("streams")
    .description("Lists streams by name, each with its version, and the position and time of its last event.")
    .argument("[prefix]", "only streams whose name begins so")
    .option(
      "--changed-since <position>",
      "only streams with an event after this position, in that order",
      wholeNumber,
    )
    .option("--limit <count>", "list at most so many", wholeNumber)
    .addOption(urlOption())
    .addOption(jsonOption("print JSON, one stream a line"))
    .addHelpText(
      "after",
      examples("kilde streams", "kilde streams user- --json", "kilde streams --changed-since 1000"),
    )
    .action((prefix: string | undefined, flags: StreamsFlags) => streams(context, prefix, flags));
}
