import { type Command, Option } from "commander";

import type { CliContext } from "./context.ts";
import { readCorrelatedLines } from "./correlated-events.ts";
import { eventLine, prettyEvent } from "./event-text.ts";
import { CliError, EXIT } from "./exit.ts";
import { consumerOption, feedOption, type FeedVersionArgument, pathOf } from "./log-source.ts";
import {
  cursor,
  examples,
  jsonOption,
  repeatable,
  serverCommand,
  parseWholeNumber,
  type ServerFlags,
} from "./options.ts";
import { readPages } from "./pages.ts";
import { type Server, withServer } from "./server.ts";

interface ReadFlags extends ServerFlags {
  readonly lastEventId?: string;
  readonly limit?: number;
  readonly backwards?: boolean;
  readonly type?: readonly string[];
  readonly prefix?: string;
  readonly afterVersion?: number;
  readonly toVersion?: number;
  readonly asOf?: string;
  readonly correlation?: string;
  readonly pretty?: boolean;
  readonly feed?: FeedVersionArgument;
  readonly consumer?: string;
}

/** Options that select other events than those with a correlation id. */
const OTHER_SELECTIONS = [
  "lastEventId",
  "backwards",
  "type",
  "prefix",
  "afterVersion",
  "toVersion",
  "asOf",
  "feed",
  "consumer",
];

function readQuery(flags: ReadFlags): URLSearchParams {
  const query = new URLSearchParams();
  const parameters = {
    lastEventId: flags.lastEventId,
    direction: flags.backwards === true ? "backwards" : undefined,
    subjectPrefix: flags.prefix,
    afterVersion: flags.afterVersion,
    toVersion: flags.toVersion,
    asOf: flags.asOf,
  };
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) query.set(name, String(value));
  }
  for (const type of flags.type ?? []) query.append("type", type);
  return query;
}

/** Prints the events with a correlation id, and reports events that the server has not indexed yet. */
async function readCorrelation(context: CliContext, id: string, flags: ReadFlags): Promise<void> {
  const printed = flags.pretty === true ? prettyEvent : eventLine;
  await withServer(context, flags, async (server) => {
    let missing = 0;
    for await (const { lines, unindexed } of readCorrelatedLines(server, id, flags.limit)) {
      missing = unindexed;
      await context.stdout.writeExact(lines.map((line) => printed(line, "/events")).join(""));
    }
    if (missing > 0)
      await context.stderr.write(`The server has not indexed the last ${missing} events of the log yet.\n`);
  });
}

async function read(context: CliContext, stream: string | undefined, flags: ReadFlags): Promise<void> {
  if (flags.correlation !== undefined) {
    if (stream === undefined) return readCorrelation(context, flags.correlation, flags);
    throw new CliError(
      EXIT.usage,
      "--correlation reads the events of all streams",
      "Leave the stream or the option out.",
    );
  }
  const path = pathOf(stream, flags.feed);
  const print = async (server: Server) => {
    for await (const { lines } of readPages(server, path, readQuery(flags), flags.limit)) {
      const printed = flags.pretty === true ? prettyEvent : eventLine;
      await context.stdout.writeExact(lines.map((line) => printed(line, path)).join(""));
    }
  };
  await withServer(context, flags, print, { consumer: flags.consumer });
}

/** `kilde read` */
export function readCommand(context: CliContext): Command {
  return serverCommand("read")
    .description("Prints events as CloudEvents in JSON, one per line.")
    .argument("[stream]", "the stream (of a feed: the subject; default: the whole log)")
    .option(
      "--last-event-id <cursor>",
      "start after the event with this position, or <position>-<logidentity>",
      cursor,
    )
    .option("--limit <count>", "most events to print", parseWholeNumber)
    .option("--backwards", "the newest first")
    .addOption(repeatable("--type <type>", "only events of this type; may be repeated"))
    .option("--prefix <prefix>", "of the whole log: only streams with this prefix")
    .option(
      "--after-version <version>",
      "of a stream: start after the event with this version",
      parseWholeNumber,
    )
    .option("--to-version <version>", "of a stream: as of this version", parseWholeNumber)
    .option("--as-of <time>", "of a stream: as of this time (RFC 3339)")
    .addOption(
      new Option(
        "--correlation <id>",
        "only events with this correlation id, of all streams; needs the server's setting `correlations`",
      ).conflicts(OTHER_SELECTIONS),
    )
    .addOption(feedOption())
    .addOption(consumerOption())
    .addOption(new Option("--pretty", "for people to read").conflicts("json"))
    .addOption(jsonOption("print CloudEvents, one per line; the default"))
    .addHelpText(
      "after",
      examples(
        "kilde read user-1",
        "kilde read --backwards --limit 10 --pretty",
        "kilde read --feed declarations/v2 declaration-1",
        "kilde read --type UserRegistered --prefix user- | jq .data",
        "kilde read --correlation order-812 --pretty",
      ),
    )
    .action((stream: string | undefined, flags: ReadFlags) => read(context, stream, flags));
}
