import { Command } from "commander";

import type { CliContext } from "./context.ts";
import { examples, jsonOption, urlOption, parseWholeNumber } from "./options.ts";
import { outageNotes } from "./outage-notes.ts";
import { REPEATED, streamName, withServer } from "./server.ts";

interface TruncateFlags {
  readonly url?: string;
  readonly before: number;
  readonly json?: boolean;
}

async function truncate(context: CliContext, stream: string, flags: TruncateFlags): Promise<void> {
  const name = streamName(stream);
  const firstVersion = await withServer(
    context,
    flags.url,
    ({ client }) => client.truncate(name, flags.before),
    { retry: REPEATED, onRetry: outageNotes(context) },
  );
  await context.stdout.write(
    flags.json === true
      ? `${JSON.stringify({ stream, firstVersion })}\n`
      : `${stream} now begins at version ${firstVersion}\n`,
  );
}

/** `kilde truncate` */
export function truncateCommand(context: CliContext): Command {
  return new Command("truncate")
    .description(
      "Removes the events of a stream before a version, permanently. The remaining events keep their versions.",
    )
    .argument("<stream>", "the stream's name")
    .requiredOption("--before <version>", "the first version to keep", parseWholeNumber)
    .addOption(urlOption())
    .addOption(jsonOption())
    .addHelpText("after", examples("kilde truncate user-1 --before 100"))
    .action((stream: string, flags: TruncateFlags) => truncate(context, stream, flags));
}
