import type { Argument, Command, Option } from "commander";

import type { CliContext } from "../../cli/context.ts";
import { VERB_GROUPS } from "../../cli/verbs.ts";
import { code, prose, referencePage, table } from "./markdown.ts";

/** The text that a command adds after its help, such as examples. */
function textAfter(command: Command): string {
  let text = "";
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text.slice(command.helpInformation().length).trim();
}

function argumentRow(argument: Argument): string[] {
  const name = argument.variadic ? `${argument.name()}...` : argument.name();
  return [code(argument.required ? `<${name}>` : `[${name}]`), prose(argument.description)];
}

function optionRow({ flags, description, argChoices }: Option): string[] {
  const choices = argChoices === undefined ? "" : ` (${argChoices.join(", ")})`;
  return [code(flags), prose(description + choices)];
}

function commandBlocks(command: Command, parents: string, depth: number): string[] {
  const name = `${parents} ${command.name()}`;
  const after = textAfter(command);
  const rows = [
    ...command.registeredArguments.map(argumentRow),
    ...command.options.filter(({ hidden }) => !hidden).map(optionRow),
  ];
  return [
    `${"#".repeat(depth)} ${name}`,
    prose(command.description()),
    `\`\`\`text\n${name} ${command.usage()}\n\`\`\``,
    rows.length === 0 ? "" : table(["argument or option", "meaning"], rows),
    after === "" ? "" : `\`\`\`text\n${after}\n\`\`\``,
    ...command.commands.flatMap((subcommand) => commandBlocks(subcommand, name, depth + 1)),
  ].filter((block) => block !== "");
}

/** Every command of the command line, from its definition. */
export async function cliPage(): Promise<string> {
  const blocks: string[] = [];
  for (const { verbs } of VERB_GROUPS) {
    for (const { load } of verbs) {
      const define = await load();
      blocks.push(...commandBlocks(define({ environment: {} } as CliContext), "kilde", 2));
    }
  }
  return referencePage("Command line", "`src/cli`", [
    "`kilde <command> --help` prints the same. `kilde complete <shell>` prints completions for bash, zsh, fish and PowerShell. A command ends with one of these [exit codes](exit-codes.md), and reads its [settings](settings.md) from flags, the environment and `kilde.config.ts`.",
    ...blocks,
  ]);
}
