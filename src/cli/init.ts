import { lstatSync, mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { Command } from "commander";

import type { CliContext } from "./context.ts";
import { CliError, EXIT } from "./exit.ts";
import { initialFiles } from "./initial-files.ts";
import { examples } from "./options.ts";

/** It is the name of a folder, a package, a feed and, before a hyphen, of streams. */
const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const MOST_LETTERS = 50;

async function askName(context: CliContext): Promise<string> {
  if (!context.isInteractive)
    throw new CliError(EXIT.usage, "the service needs a name", "State --name <name>.");
  await context.stderr.write("Name of the service: ");
  const reader = context.stdin().getReader();
  const { value } = await reader.read();
  reader.releaseLock();
  return new TextDecoder().decode(value).trim();
}

/** Throws unless a folder can hold a new service: it is missing or empty. */
function requireFree(folder: string, name: string): void {
  const remedy = "Choose another name, or another place.";
  if (lstatSync(folder, { throwIfNoEntry: false }) === undefined) return;
  // A link may lead nowhere.
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new CliError(EXIT.failure, `${name} exists, and is not a folder`, remedy);
  if (readdirSync(folder).length > 0)
    throw new CliError(EXIT.failure, `the folder ${name} is not empty`, remedy);
}

async function init(context: CliContext, flags: { readonly name?: string }): Promise<void> {
  const name = flags.name ?? (await askName(context));
  if (!NAME.test(name) || name.length > MOST_LETTERS) {
    throw new CliError(
      EXIT.usage,
      `${JSON.stringify(name)} is not a name of a service`,
      `Use at most ${MOST_LETTERS} lower-case letters, digits and single hyphens, beginning with a letter: orders, card-payments.`,
    );
  }
  const folder = join(context.cwd, name);
  requireFree(folder, name);
  for (const [path, text] of Object.entries(initialFiles(name, context.version))) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    // Another process may have begun the same folder meanwhile.
    writeFileSync(file, text, { flag: "wx" });
  }
  await context.stdout.write(`wrote ${name}: a feed, a consumer, and their test\n`);
  await context.stderr.write(`Continue with:\n  cd ${name} && npm install && npm test\n`);
}

/** `kilde init` */
export function initCommand(context: CliContext): Command {
  return new Command("init")
    .description(
      "Writes a new service into a folder of its name: one feed, one consumer, and a test that passes. It runs in Node, without a build.",
    )
    .option("--name <name>", "name of the service, its folder, its feed and its streams (default: asks)")
    .addHelpText("after", examples("kilde init", "kilde init --name orders"))
    .action((flags: { readonly name?: string }) => init(context, flags));
}
