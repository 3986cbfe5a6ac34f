import { expect, test } from "bun:test";
import type { Command } from "commander";

import type { CliContext } from "../../src/cli/context.ts";
import { VERBS } from "../../src/cli/verbs.ts";
import { commandFault } from "../support/command-fault.ts";
import { documentedCode, documentedCommands } from "../support/markdown.ts";

interface Documented {
  readonly place: string;
  readonly command: string;
}

/** The command in a line of shell, without the variables, redirections, comments and subshell around it. */
function wordsOf(line: string): string[] | null {
  const start = /(?:^|[\s&;|])kilde (?=[a-z])/.exec(line);
  if (start === null || /^\s*#/.test(line)) return null;
  const inForeground = line.replace(/\)? &$/, "");
  const words = inForeground.slice(start.index + start[0].length).match(/"[^"]*"|'[^']*'|\S+/g) ?? [];
  const end = words.findIndex((word) => /^(#|\||[<>]$|\d?>|\\|&&|;)/.test(word));
  const stated = end === -1 ? words : words.slice(0, end);
  return stated.map((word) => word.replace(/^(["'])(.*)\1$/, "$2"));
}

async function helpExamples(): Promise<Documented[]> {
  const documented: Documented[] = [];
  const collect = (command: Command, place: string): void => {
    let text = "";
    command.configureOutput({ writeOut: (part) => (text += part) });
    command.outputHelp();
    for (const [, example = ""] of text.matchAll(/^ {2}\$ (kilde .*)$/gm)) {
      documented.push({ place, command: example });
    }
    for (const subcommand of command.commands) collect(subcommand, `${place} ${subcommand.name()}`);
  };
  for (const { name, load } of VERBS) {
    collect((await load())({ environment: {} } as CliContext), `kilde ${name} --help`);
  }
  return documented;
}

test("every command of the documentation and of --help has the arguments that the command line takes", async () => {
  const lines = documentedCode()
    .filter(({ language }) => language === "sh")
    .flatMap(({ place, code }) => code.split("\n").map((command) => ({ place, command })));
  const documented = [...lines, ...documentedCommands(), ...(await helpExamples())];
  const faults: string[] = [];
  let checked = 0;
  for (const { place, command } of documented) {
    const words = wordsOf(command);
    if (words === null) continue;
    const fault = await commandFault(words, { mayBeNamedOnly: true });
    if (fault !== null) faults.push(`${place}: ${command}: ${fault}`);
    checked += 1;
  }
  expect(faults).toEqual([]);
  expect(checked).toBeGreaterThan(100);
});
