import {
  FOREIGN_METADATA,
  FREE_METADATA,
  freeMetadata,
  isKildeAttribute,
  isMetadataAttribute,
  JSON_CONTENT_TYPE,
  KILDE_ATTRIBUTES,
  type KildeAttribute,
  METADATA_ATTRIBUTES,
  PLACED_ATTRIBUTES,
} from "../core/attributes.ts";
import { KildeError } from "../core/errors.ts";
import { ERASED_TYPE } from "../core/event.ts";
import { type JsonText, parseJson } from "../core/json.ts";
import { eventJson } from "./event-json.ts";
import { MAX_DEPTH, objectText } from "./json-argument.ts";

type CloudEvent = Readonly<Record<string, unknown>>;
type Texts = Record<string, string>;

/** Whether Kilde wrote the attribute for this event, and a line holds it in another member, or does not need it. */
function isOfItsPlace(name: KildeAttribute, { type, source }: CloudEvent): boolean {
  if (name === "reason" || name === "method") return type === ERASED_TYPE;
  if (name === "projectedfrom") return String(source).startsWith("/feeds/");
  return name !== "previoussequence";
}

const METADATA_NAMES: readonly string[] = Object.values(METADATA_ATTRIBUTES);

/** Text of the members of free metadata; null if an append would store another text for them. */
function freeMembers(text: unknown): string | null {
  const members = freeMetadata(text);
  if (members === null || METADATA_NAMES.some((name) => Object.hasOwn(members, name))) return null;
  try {
    const compact = parseJson(String(text), MAX_DEPTH).textAt([], members);
    return compact === text ? compact.slice(1, -1) : null;
  } catch (error) {
    if (error instanceof KildeError) return null;
    throw error;
  }
}

function isNamedMetadata(value: unknown): boolean {
  return typeof value === "string" && value.length >= 1 && value.length <= 1_024;
}

/** The `metadata` and `attributes` with which an append stores the same attributes, as texts by name. */
function attributeTexts(json: JsonText, event: CloudEvent): { metadata: string | null; attributes: Texts } {
  const metadata: string[] = [];
  const attributes: Texts = {};
  for (const [name, value] of Object.entries(event)) {
    const text = () => json.textAt([name], value);
    if (PLACED_ATTRIBUTES.has(name)) continue;
    if (isKildeAttribute(name)) {
      // Stored by a version of Kilde that did not separate foreign values.
      if (!isOfItsPlace(name, event)) attributes[KILDE_ATTRIBUTES[name]] = text();
    } else if (isMetadataAttribute(name)) {
      if (isNamedMetadata(value)) metadata.push(`${JSON.stringify(METADATA_ATTRIBUTES[name])}:${text()}`);
      else attributes[name] = JSON.stringify(String(value));
    } else if (name === FREE_METADATA) {
      const free = freeMembers(value);
      if (free !== null && free !== "") metadata.push(free);
      else attributes[freeMetadata(value) === null ? FOREIGN_METADATA : FREE_METADATA] = text();
    } else if (name !== "datacontenttype" || value !== JSON_CONTENT_TYPE) {
      attributes[name] = text();
    }
  }
  return { metadata: metadata.length === 0 ? null : `{${metadata.join(",")}}`, attributes };
}

/**
 * Formats a line of an export from a CloudEvent as the server sent it. `data` keeps its stored form. Throws an
 * UnreadableEventError; `log` is the path that was read.
 */
export function exportLine(line: string, log: string): string {
  const json = eventJson(line, log);
  const event = json.value as CloudEvent;
  const { id, logidentity, subject, type, time, data, sequence, recordedtime, reason, projectedfrom } = event;
  const { metadata, attributes } = attributeTexts(json, event);
  const ofItsPlace = (name: KildeAttribute, value: unknown) =>
    value === undefined || !isOfItsPlace(name, event) ? null : JSON.stringify(value);
  return objectText({
    stream: JSON.stringify(subject),
    type: JSON.stringify(type),
    time: JSON.stringify(time),
    data: data === undefined ? null : json.textAt(["data"], data),
    metadata,
    attributes: Object.keys(attributes).length === 0 ? null : objectText(attributes),
    reason: ofItsPlace("reason", reason),
    position: String(id),
    version: String(Number(sequence)),
    logidentity: logidentity === undefined ? null : JSON.stringify(logidentity),
    recordedtime: JSON.stringify(recordedtime ?? time),
    projectedfrom: ofItsPlace("projectedfrom", projectedfrom),
  });
}
