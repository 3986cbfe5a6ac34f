import { ERASED_TYPE } from "../core/event.ts";
import { KildeError } from "../core/errors.ts";
import { parseJson } from "../core/json.ts";
import { nearest } from "../core/nearest.ts";
import { CliError, EXIT } from "./exit.ts";
import { MAX_DEPTH, objectText } from "./json-argument.ts";
import type { Line } from "./lines.ts";
import { isJsonObject } from "../core/json-object.ts";

/** An event to import, as the JSON text that the server accepts. */
export interface ImportEvent {
  readonly line: number;
  readonly stream: string;
  readonly text: string;
}

/** Members of an exported line that an append does not accept. */
const IGNORED = new Set(["position", "version", "logidentity", "recordedtime", "projectedfrom"]);
const TAKEN = new Set(["stream", "type", "id", "time", "data", "metadata", "attributes"]);

function refuse(line: number, detail: string, cause?: unknown): never {
  throw new CliError(
    EXIT.failure,
    `line ${line}: ${detail}`,
    'A line is an object: {"stream", "type", "data"?, "time"?, "metadata"?, "attributes"?, "id"?}. Correct it and run the import again: events before the line are not imported twice.',
    { cause },
  );
}

/** `metadata`, including the event's id in the source. */
function metadataText(
  number: number,
  textOf: (member: string) => string,
  id: unknown,
  metadata: Readonly<Record<string, unknown>> | undefined,
): string | null {
  if (id === undefined) return metadata === undefined ? null : textOf("metadata");
  if (typeof id !== "string" && typeof id !== "number") refuse(number, "id must be a text or a number");
  if (metadata === undefined) return objectText({ id: textOf("id") });
  if (Object.hasOwn(metadata, "id")) refuse(number, "id is both here and in metadata");
  const members = textOf("metadata").replace(/^\{\s*|\s*\}$/g, "");
  return members === "" ? objectText({ id: textOf("id") }) : `{"id":${textOf("id")},${members}}`;
}

/**
 * Returns the rest of a line that begins with its stream and has no member that an append does not accept: it is the
 * event, as it is. Null for any other line.
 */
function restOfLine(text: string, members: readonly string[], stream: string): string | null {
  if (members.some((member) => member === "id" || IGNORED.has(member))) return null;
  const beginning = `{"stream":${JSON.stringify(stream)},`;
  return text.startsWith(beginning) ? `{${text.slice(beginning.length)}` : null;
}

/**
 * Parses one line; null for a line without an event to append: an empty line, or the tombstone of an erased stream,
 * which only an erasure can write.
 */
export function importEvent({ number, text }: Line): ImportEvent | null {
  if (text.trim() === "") return null;
  let json;
  try {
    json = parseJson(text, MAX_DEPTH);
  } catch (error) {
    if (error instanceof KildeError) refuse(number, error.message, error);
    throw error;
  }
  const { value } = json;
  if (!isJsonObject(value)) refuse(number, "not an object");
  if (value["type"] === ERASED_TYPE) return null;
  const members = Object.keys(value);
  for (const member of members) {
    if (TAKEN.has(member) || IGNORED.has(member)) continue;
    const near = nearest(member, [...TAKEN]);
    const hint = near === null ? "" : `; did you mean ${near}?`;
    refuse(number, `there is no member ${JSON.stringify(member)}${hint}`);
  }
  const { stream, type, time, data, metadata, attributes } = value;
  if (typeof stream !== "string") refuse(number, "stream must be a text");
  if (typeof type !== "string") refuse(number, "type must be a text");
  if (time !== undefined && typeof time !== "string") refuse(number, "time must be a text (RFC 3339)");
  if (attributes !== undefined && !isJsonObject(attributes)) refuse(number, "attributes must be an object");
  if (metadata !== undefined && !isJsonObject(metadata)) refuse(number, "metadata must be an object");
  const rest = restOfLine(text, members, stream);
  if (rest !== null) return { line: number, stream, text: rest };
  const textOf = (member: string) => json.textAt([member], value[member]);
  return {
    line: number,
    stream,
    text: objectText({
      type: JSON.stringify(type),
      data: data === undefined ? null : textOf("data"),
      time: time === undefined ? null : JSON.stringify(time),
      metadata: metadataText(number, textOf, value["id"], metadata),
      attributes: attributes === undefined ? null : textOf("attributes"),
    }),
  };
}
