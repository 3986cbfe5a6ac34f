import { type JsonText, parseJson } from "../core/json.ts";
import { MAX_DEPTH, objectText } from "./json-argument.ts";

type CloudEvent = Readonly<Record<string, unknown>>;

/** Attributes that have a member of their own in an export, or need none. */
const PLACED = new Set(
  "specversion id source type subject time sequence recordedtime datacontenttype data method metadata".split(
    " ",
  ),
);

/** How attributes are called in the metadata of an append. */
const METADATA_NAMES: ReadonlyMap<string, string> = new Map([
  ["correlationid", "correlationId"],
  ["causationid", "causationId"],
]);

/** The members of a JSON object's text; null when it is not one. */
function membersOf(text: unknown): string | null {
  if (typeof text !== "string") return null;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  } catch {
    return null;
  }
  return text.trim().slice(1, -1).trim();
}

/** What an append would take as `metadata`, to give the same event. */
function metadataText(json: JsonText, event: CloudEvent): string | null {
  const named = Object.entries(event).flatMap(([name, value]) =>
    PLACED.has(name)
      ? []
      : [`${JSON.stringify(METADATA_NAMES.get(name) ?? name)}:${json.textAt([name], value)}`],
  );
  const free = membersOf(event["metadata"]);
  if (free !== null && free !== "") named.push(free);
  // A producer's own attribute of that name, which holds no object.
  else if (free === null && event["metadata"] !== undefined) {
    named.push(`"metadata":${json.textAt(["metadata"], event["metadata"])}`);
  }
  return named.length === 0 ? null : `{${named.join(",")}}`;
}

/** A line of an export, from a CloudEvent as the server wrote it. `data` keeps the form it was stored in. */
export function exportLine(line: string): string {
  const json = parseJson(line, MAX_DEPTH);
  const event = json.value as CloudEvent;
  const { id, subject, type, time, data, sequence, recordedtime } = event;
  return objectText({
    stream: JSON.stringify(subject),
    type: JSON.stringify(type),
    time: JSON.stringify(time),
    data: data === undefined ? null : json.textAt(["data"], data),
    metadata: metadataText(json, event),
    position: String(id),
    version: String(Number(sequence)),
    recordedtime: JSON.stringify(recordedtime ?? time),
  });
}
