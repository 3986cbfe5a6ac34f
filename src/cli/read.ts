import { type Command, Option } from "commander";

import type { CliContext } from "./context.ts";
import { eventLine, prettyEvent } from "./event-text.ts";
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
  readonly pretty?: boolean;
  readonly feed?: FeedVersionArgument;
  readonly consumer?: string;
}

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

async function read(context: CliContext, stream: string | undefined, flags: ReadFlags): Promise<void> {
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
      ),
    )
    .action((stream: string | undefined, flags: ReadFlags) => read(context, stream, flags));
}
