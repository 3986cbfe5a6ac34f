import { type Command, Option } from "commander";

import type { CliContext } from "./context.ts";
import { prettyEvent } from "./event-text.ts";
import { followTexts } from "./follow-texts.ts";
import { consumerOption, feedOption, type FeedVersionArgument, pathOf } from "./log-source.ts";
import { outageNotes } from "./outage-notes.ts";
import { cursor, examples, jsonOption, repeatable, serverCommand, type ServerFlags } from "./options.ts";
import { type Server, withServer } from "./server.ts";

interface FollowFlags extends ServerFlags {
  readonly lastEventId?: string;
  readonly type?: readonly string[];
  readonly prefix?: string;
  readonly pretty?: boolean;
  readonly feed?: FeedVersionArgument;
  readonly consumer?: string;
}

async function follow(context: CliContext, stream: string | undefined, flags: FollowFlags): Promise<void> {
  const path = pathOf(stream, flags.feed);
  const print = async ({ client, deps }: Server) => {
    const after = flags.lastEventId ?? String(await client.head(flags.feed));
    for await (const { text } of followTexts(deps, {
      path,
      types: flags.type,
      prefix: flags.prefix,
      after,
    })) {
      await context.stdout.writeExact(flags.pretty === true ? prettyEvent(text, path) : `${text}\n`);
    }
  };
  await withServer(context, flags, print, {
    consumer: flags.consumer,
    onRetry: outageNotes(context),
  });
}

/** `kilde follow` */
export function followCommand(context: CliContext): Command {
  return serverCommand("follow")
    .description(
      "Prints events as CloudEvents in JSON, one per line, as they are appended. Reconnects after a lost connection, without a gap. Stop with Ctrl-C.",
    )
    .argument(
      "[stream]",
      "the stream (of a feed: the subject), which need not exist yet (default: the whole log)",
    )
    .option(
      "--last-event-id <cursor>",
      "start after the event with this position, or <position>-<logidentity>; 0 for all (default: new events only)",
      cursor,
    )
    .addOption(repeatable("--type <type>", "only events of this type; may be repeated"))
    .option("--prefix <prefix>", "of the whole log: only streams with this prefix")
    .addOption(feedOption())
    .addOption(consumerOption())
    .addOption(new Option("--pretty", "for people to read").conflicts("json"))
    .addOption(jsonOption("print CloudEvents, one per line; the default"))
    .addHelpText(
      "after",
      examples(
        "kilde follow",
        "kilde follow user-1 --last-event-id 0 --pretty",
        "kilde follow --feed declarations/v2 --consumer cards",
      ),
    )
    .action((stream: string | undefined, flags: FollowFlags) => follow(context, stream, flags));
}
