import { InvalidArgumentError, Option } from "commander";

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

/** The option with the server's address. */
export function urlOption(): Option {
  return new Option(
    "--url <url>",
    `address of the server (default: host and port of kilde.config.ts, or else ${DEFAULT_URL}) [KILDE_URL]`,
  );
}

export function jsonOption(description = "print JSON, for programs"): Option {
  return new Option("--json", description);
}

/** The examples in a verb's help. */
export function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}\n`).join("")}`;
}
