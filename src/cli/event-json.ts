import { UnreadableEventError } from "../client/index.ts";
import { KildeError } from "../core/errors.ts";
import { type JsonText, parseJson } from "../core/json.ts";
import { MAX_DEPTH } from "./json-argument.ts";

/** Parses an event as the server sent it. Throws an UnreadableEventError; `log` is the path that was read. */
export function eventJson(line: string, log: string): JsonText {
  try {
    return parseJson(line, MAX_DEPTH);
  } catch (error) {
    if (!(error instanceof KildeError)) throw error;
    const position = /^\{"specversion":"1\.0","id":"(\d+)"/.exec(line)?.[1];
    throw new UnreadableEventError(log, position === undefined ? null : Number(position), { cause: error });
  }
}
