import type { Command } from "commander";

import type { StreamInfo } from "../client/types.ts";
import type { CliContext } from "./context.ts";
import { examples, jsonOption, serverCommand, parseWholeNumber, type ServerFlags } from "./options.ts";
import { withServer } from "./server.ts";
import { type Column, printTable } from "./table.ts";

interface StreamsFlags extends ServerFlags {
  readonly changedSince?: number;
  readonly limit?: number;
  readonly json?: boolean;
}

/** Most streams per request. */
const PAGE_STREAMS = 1_000;

const COLUMNS: readonly Column[] = [
  { heading: "VERSION", width: 8, isNumber: true },
  { heading: "POSITION", width: 10, isNumber: true },
  { heading: "LAST EVENT", width: 24 },
  { heading: "STREAM", width: 0 },
];

function cells({ stream, version, position, time, erased }: StreamInfo): readonly string[] {
  return [String(version), String(position), time, `${stream}${erased ? "  (erased)" : ""}`];
}

async function streams(context: CliContext, prefix: string | undefined, flags: StreamsFlags): Promise<void> {
  const { changedSince, limit: most = Number.POSITIVE_INFINITY } = flags;
  const list = {
    pageSize: Math.min(Math.max(most, 1), PAGE_STREAMS),
    ...(prefix === undefined ? {} : { prefix }),
    ...(changedSince === undefined ? {} : { changedSince }),
  };
  const listing = { columns: COLUMNS, cells, asJson: flags.json === true, most };
  await withServer(context, flags, ({ client }) => printTable(context, client.streams(list), listing));
}

/** `kilde streams` */
export function streamsCommand(context: CliContext): Command {
  return serverCommand("streams")
    .description("Lists streams by name, each with its version, and the position and time of its last event.")
    .argument("[prefix]", "only streams with this prefix")
    .option(
      "--changed-since <position>",
      "only streams with an event after this position, in that order",
      parseWholeNumber,
    )
    .option("--limit <count>", "most streams to list", parseWholeNumber)
    .addOption(jsonOption("print JSON, one stream per line"))
    .addHelpText(
      "after",
      examples("kilde streams", "kilde streams user- --json", "kilde streams --changed-since 1000"),
    )
    .action((prefix: string | undefined, flags: StreamsFlags) => streams(context, prefix, flags));
}
