import { KildeError } from "../core/errors.ts";
import { type JsonText, parseJson } from "../core/json.ts";
import { CliError, EXIT } from "./exit.ts";

/** Deeper texts are refused here; how deep data may be is for the server to say. */
export const MAX_DEPTH = 1_000;

/** JSON that was given to the program; what is wrong with it is told with where it came from. */
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

/** A JSON object's text from its members' texts; those that are null are left out. */
export function objectText(members: Readonly<Record<string, string | null>>): string {
  const parts = Object.entries(members).flatMap(([name, text]) =>
    text === null ? [] : [`${JSON.stringify(name)}:${text}`],
  );
  return `{${parts.join(",")}}`;
}
