import { Command, CommanderError } from "commander";

import { ConfigError } from "../config/config-error.ts";
import type { CliContext } from "./context.ts";
import { CliError, EXIT, EXIT_MEANINGS, type ExitCode } from "./exit.ts";
import { reportIgnoredSettings } from "./ignored-settings.ts";
import { reportSecretFlags } from "./secret-flags.ts";
import { VERB_GROUPS, type Verb, VERBS } from "./verbs.ts";

function exitCodes(): string {
  const names = Object.keys(EXIT_MEANINGS) as (keyof typeof EXIT)[];
  return `\nExit codes:\n${names.map((name) => `  ${EXIT[name]}  ${EXIT_MEANINGS[name]}\n`).join("")}`;
}

const SETTINGS_HELP = `
Settings come from flags, then KILDE_* environment variables, then kilde.config.ts
in the working directory (or --config <file>), then defaults.
`;

function rootCommand(context: CliContext): Command {
  return (
    new Command("kilde")
      .description("Kilde, an event store: append events to streams, read them, and follow them, over HTTP.")
      .version(context.version, "-v, --version", "print the version")
      .configureOutput({
        writeOut: (text) => void context.stdout.write(text),
        writeErr: (text) => void context.stderr.write(text),
        outputError: (text, write) => write(text.replace(/^error: /, "kilde: ")),
        getOutHasColors: () => context.stdout.isTerminal,
        getErrHasColors: () => context.stderr.isTerminal,
      })
      .exitOverride()
      // A `--version` after a verb is an option of that verb.
      .enablePositionalOptions()
      .showSuggestionAfterError()
      .showHelpAfterError("  See `kilde --help`, and `kilde <command> --help`.")
      .addHelpText("after", SETTINGS_HELP + exitCodes())
  );
}

/**
 * Creates the command line with the called verb. The other verbs have only a name and a summary, unless all are
 * requested: loading a verb takes milliseconds, and `serve` must start fast.
 */
async function program(args: readonly string[], context: CliContext): Promise<Command> {
  const root = rootCommand(context);
  const called = VERBS.find(({ name }) => name === args[0]);
  const wantsAll = args[0] === "complete" || args[0] === "help";
  const commandOf = async (verb: Verb): Promise<Command> => {
    const command = verb === called || wantsAll ? (await verb.load())(context) : new Command(verb.name);
    // The text of a completion is one line.
    if (args[0] === "complete") command.description(verb.summary);
    for (const subcommand of command.commands) subcommand.copyInheritedSettings(root);
    return command.summary(verb.summary).copyInheritedSettings(root);
  };
  for (const { heading, verbs } of VERB_GROUPS) {
    for (const verb of verbs) root.addCommand((await commandOf(verb)).helpGroup(heading));
  }
  root.commandsGroup("Other:").helpCommand("help [command]", "print the help of a command");
  if (args[0] === "complete" && args[1] === "bash") {
    const { default: script } = await import("./completion.bash", { with: { type: "text" } });
    root
      .command("complete")
      .argument("bash")
      .action(() => context.stdout.write(script));
  } else if (args[0] === "complete") {
    // The package adds a command of that name.
    const { default: tab } = await import("@bomb.sh/tab/commander");
    tab(root);
  } else {
    root
      .command("complete [shell]")
      .description("print a script of shell completions: bash, zsh, fish, powershell");
  }
  return root;
}

/** The exit code and the text on standard error for a failure; a bug of the program includes its stack. */
function failureText(error: unknown): readonly [ExitCode, string] {
  if (error instanceof ConfigError) {
    return [EXIT.usage, error.problems.map((problem) => `kilde: ${problem}\n`).join("")];
  }
  if (error instanceof CliError) {
    const remedy = error.remedy === null ? "" : `  ${error.remedy}\n`;
    return [error.exitCode, `kilde: ${error.message}\n${remedy}`];
  }
  const stack = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return [EXIT.failure, `kilde: a fault in the program, which please report:\n${stack}\n`];
}

/** Runs the command line. Resolves with the exit code. */
export async function runCli(args: readonly string[], context: CliContext): Promise<ExitCode> {
  try {
    const root = await program(args, context);
    const [verb, topic] = args;
    if (
      verb === "help" &&
      topic !== undefined &&
      !root.commands.some((command) => command.name() === topic)
    ) {
      root.error(`error: unknown command '${topic}'`);
    }
    if (VERBS.some(({ name }) => name === verb)) {
      await reportIgnoredSettings(context, args);
      await reportSecretFlags(context, args);
    }
    await root.parseAsync(args, { from: "user" });
    return EXIT.ok;
  } catch (error) {
    // Commander has already printed the error, or the requested help.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    const [exitCode, text] = failureText(error);
    await context.stderr.write(text);
    return exitCode;
  }
}
