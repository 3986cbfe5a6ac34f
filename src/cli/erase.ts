import type { Command } from "commander";

import type { CliContext } from "./context.ts";
import { examples, jsonOption, serverCommand, type ServerFlags } from "./options.ts";
import { outageNotes } from "./outage-notes.ts";
import { REPEATED, streamName, withServer } from "./server.ts";

interface EraseFlags extends ServerFlags {
  readonly reason: string;
  readonly json?: boolean;
}

async function erase(context: CliContext, stream: string, flags: EraseFlags): Promise<void> {
  const name = streamName(stream);
  const version = await withServer(context, flags, ({ client }) => client.erase(name, flags.reason), {
    retry: REPEATED,
    onRetry: outageNotes(context),
  });
  await context.stdout.write(
    flags.json === true
      ? `${JSON.stringify({ stream, version })}\n`
      : `${stream} is erased; its tombstone has version ${version}\n`,
  );
}

/** `kilde erase` */
export function eraseCommand(context: CliContext): Command {
  return serverCommand("erase")
    .description(
      "Removes all events of a stream permanently, and appends an event of type kilde.erased, which notifies the readers of the log.",
    )
    .argument("<stream>", "the stream's name")
    .requiredOption("--reason <text>", "the reason, which the tombstone holds")
    .addOption(jsonOption())
    .addHelpText("after", examples("kilde erase user-1 --reason 'asked to be forgotten'"))
    .action((stream: string, flags: EraseFlags) => erase(context, stream, flags));
}
