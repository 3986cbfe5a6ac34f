import { Command, InvalidArgumentError, Option } from "commander";

import { parseCursor } from "../core/cursor.ts";

/** Collects the values of an option that is given several times. */
export function collect(value: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), value];
}

/** Parses a whole number. */
export function parseWholeNumber(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number.");
}

/** Parses a cursor of a log. */
export function cursor(text: string): string {
  if (parseCursor(text) !== null) return text;
  throw new InvalidArgumentError("It must be a position, or <position>-<identity of the log>.");
}

/** An option that may be given several times. */
export function repeatable(flags: string, description: string): Option {
  return new Option(flags, description).argParser(collect);
}

export const DEFAULT_URL = "http://127.0.0.1:4000";

/** The options of a command that calls a server. */
export interface ServerFlags {
  readonly url?: string;
  readonly token?: string;
  readonly tokenFile?: string;
  /** Why, for the log of administration: of commands with {@link reasonOption}. */
  readonly reason?: string;
}

/** The option with the reason of a change. */
export function reasonOption(): Option {
  return new Option("--reason <text>", "why, for the log of administration");
}

/** Adds the options that name a server and the token of requests. `url`: description of its address. */
export function withServerOptions(command: Command, url: string): Command {
  const options = [
    new Option("--url <url>", url),
    new Option("--token-file <file>", "file with the token of requests, read for each [KILDE_TOKEN_FILE]"),
    new Option(
      "--token <token>",
      "the token itself; safer in a file or the environment [KILDE_TOKEN]",
    ).conflicts("tokenFile"),
  ];
  for (const option of options) command.addOption(option.helpGroup("Server:"));
  return command;
}

/** Creates a command that calls a server. */
export function serverCommand(name: string): Command {
  const address = `host and port of kilde.config.ts, or else ${DEFAULT_URL}`;
  return withServerOptions(new Command(name), `address of the server (default: ${address}) [KILDE_URL]`);
}

export function jsonOption(description = "print JSON, for programs"): Option {
  return new Option("--json", description);
}

/** The examples in a verb's help. */
export function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}\n`).join("")}`;
}
