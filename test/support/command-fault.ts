import { type Command, CommanderError } from "commander";

import type { CliContext } from "../../src/cli/context.ts";
import { VERBS } from "../../src/cli/verbs.ts";

/** Has a command and those below it parse, and do nothing. */
function disarm(command: Command): void {
  command.exitOverride().configureOutput({ writeErr: () => {}, writeOut: () => {} });
  if (command.commands.length === 0) command.action(() => {});
  for (const subcommand of command.commands) disarm(subcommand);
}

/** A command that is only named, without arguments, need not have those that it requires. */
const INCOMPLETE = new Set([
  "commander.missingArgument",
  "commander.missingMandatoryOptionValue",
  "commander.help",
]);

/** Returns the reason for which the command line refuses words after `kilde`; null: it takes them. */
export async function commandFault(
  words: readonly string[],
  { mayBeNamedOnly = false }: { readonly mayBeNamedOnly?: boolean } = {},
): Promise<string | null> {
  const [name = "", ...args] = words;
  if (name === "complete" || name === "help") return null;
  const verb = VERBS.find((known) => known.name === name);
  if (verb === undefined) return `there is no command ${name}`;
  const command = (await verb.load())({ environment: {} } as CliContext);
  disarm(command);
  const isNamedOnly = mayBeNamedOnly && args.every((arg) => /^[a-z-]+$/.test(arg) && !arg.startsWith("-"));
  try {
    await command.parseAsync(args, { from: "user" });
    return null;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return isNamedOnly && INCOMPLETE.has(error.code) ? null : error.message;
  }
}
