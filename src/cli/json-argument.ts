import { KildeError } from "../core/errors.ts";
import { type JsonText, parseJson } from "../core/json.ts";
import { CliError, EXIT } from "./exit.ts";

/** Deeper texts are rejected here; the server enforces its own, lower limit. */
export const MAX_DEPTH = 1_000;

/** Parses JSON from the command line; an error names its source. */
export function jsonArgument(text: string, source: string): JsonText {
  try {
    return parseJson(text, MAX_DEPTH);
  } catch (error) {
    if (!(error instanceof KildeError)) throw error;
    throw new CliError(
      EXIT.usage,
      `${source}: ${error.message}`,
      "Give one JSON text, quoted for the shell.",
      {
        cause: error,
      },
    );
  }
}

/** Builds a JSON object's text from its members' texts; omits those that are null. */
export function objectText(members: Readonly<Record<string, string | null>>): string {
  const parts = Object.entries(members).flatMap(([name, text]) =>
    text === null ? [] : [`${JSON.stringify(name)}:${text}`],
  );
  return `{${parts.join(",")}}`;
}
