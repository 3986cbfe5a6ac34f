import { InvalidArgumentError, Option } from "commander";

import { parseCursor } from "../core/cursor.ts";

/** Gathers the values of an option that is given several times. */
export function collect(value: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), value];
}

/** Text that is a whole number. */
export function wholeNumber(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("It must be a whole number.");
}

/** Text that is a cursor of a log. */
export function cursor(text: string): string {
  if (parseCursor(text) !== null) return text;
  throw new InvalidArgumentError("It must be a position, or <position>-<identity of the log>.");
}

/** An option that may be given several times. */
export function repeatable(flags: string, description: string): Option {
  return new Option(flags, description).argParser(collect);
}

export const DEFAULT_URL = "http://127.0.0.1:4000";

/** Which server to talk to. */
export function urlOption(): Option {
  return new Option(
    "--url <url>",
    `address of the server (default: host and port of kilde.config.ts, or else ${DEFAULT_URL}) [KILDE_URL]`,
  );
}

export function jsonOption(description = "print JSON, for programs"): Option {
  return new Option("--json", description);
}

/** The part of a verb's help that shows it in use. */
export function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((line) => `  $ ${line}\n`).join("")}`;
}
