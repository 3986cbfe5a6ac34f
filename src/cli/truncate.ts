import type { Command } from "commander";

import type { CliContext } from "./context.ts";
import {
  examples,
  jsonOption,
  reasonOption,
  serverCommand,
  parseWholeNumber,
  type ServerFlags,
} from "./options.ts";
import { outageNotes } from "./outage-notes.ts";
import { REPEATED, streamName, withServer } from "./server.ts";

interface TruncateFlags extends ServerFlags {
  readonly before: number;
  readonly json?: boolean;
}

async function truncate(context: CliContext, stream: string, flags: TruncateFlags): Promise<void> {
  const name = streamName(stream);
  const firstVersion = await withServer(context, flags, ({ client }) => client.truncate(name, flags.before), {
    retry: REPEATED,
    onRetry: outageNotes(context),
  });
  await context.stdout.write(
    flags.json === true
      ? `${JSON.stringify({ stream, firstVersion })}\n`
      : `${stream} now begins at version ${firstVersion}\n`,
  );
}

/** `kilde truncate` */
export function truncateCommand(context: CliContext): Command {
  return serverCommand("truncate")
    .description(
      "Removes the events of a stream before a version, permanently. The remaining events keep their versions.",
    )
    .argument("<stream>", "the stream's name")
    .requiredOption("--before <version>", "the first version to keep", parseWholeNumber)
    .addOption(reasonOption())
    .addOption(jsonOption())
    .addHelpText("after", examples("kilde truncate user-1 --before 100"))
    .action((stream: string, flags: TruncateFlags) => truncate(context, stream, flags));
}
