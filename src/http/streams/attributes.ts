import {
  FOREIGN_METADATA,
  FREE_METADATA,
  isKildeAttribute,
  isMetadataAttribute,
  JSON_CONTENT_TYPE,
  KILDE_ATTRIBUTES,
  METADATA_ATTRIBUTES,
  ORIGIN,
  PLACED_ATTRIBUTES,
} from "../../core/attributes.ts";
import { KildeError } from "../../core/errors.ts";
import { type JsonText, parseJson } from "../../core/json.ts";
import { jsonPointer } from "../../core/json-pointer.ts";
import type { Limits } from "../../core/limits.ts";
import { exceedsBytes } from "../../core/names.ts";

/**
 * Builds the text of the object that stores an event's attributes. Two formats lead here: an append in Kilde's own
 * JSON, with `metadata` and `attributes`, and CloudEvents, whose attributes are all on one level.
 */

type Path = readonly (string | number)[];
type Members = Readonly<Record<string, unknown>>;

const ATTRIBUTE_NAME = /^[a-z0-9]{1,20}$/;
const JSON_MEDIA_TYPE = /^(application\/json|[^;\s/]+\/[^;\s/]+\+json)\s*(;.*)?$/i;
const [MIN_INTEGER, MAX_INTEGER] = [-(2 ** 31), 2 ** 31 - 1];

function isAttributeValue(value: unknown): boolean {
  if (typeof value === "string" || typeof value === "boolean") return true;
  return Number.isInteger(value) && Number(value) >= MIN_INTEGER && Number(value) <= MAX_INTEGER;
}

/** Returns the fault of a CloudEvent's attribute that has no place of its own in an event, or null. */
export function attributeFault(name: string, value: unknown): string | null {
  if (!ATTRIBUTE_NAME.test(name)) return "is not a name of a CloudEvents attribute";
  if (name === "datacontenttype") {
    return typeof value === "string" && JSON_MEDIA_TYPE.test(value) ? null : "must be JSON";
  }
  if (name === "dataschema") return typeof value === "string" && value !== "" ? null : "must be a URI";
  if (isMetadataAttribute(name)) return typeof value === "string" ? null : "must be a string";
  return isAttributeValue(value) ? null : "must be a string, boolean or 32-bit integer";
}

/** Returns the fault of a member of `attributes` of an append, or null. Members that Kilde writes are invalid there. */
export function ownAttributeFault(name: string, value: unknown, limits: Limits): string | null {
  if (PLACED_ATTRIBUTES.has(name)) return "has a place of its own in an event";
  if (isKildeAttribute(name)) {
    return `is written by Kilde; an event from elsewhere has it as ${KILDE_ATTRIBUTES[name]}`;
  }
  if (name === FREE_METADATA && !isFreeMetadata(value, limits)) return "must be the JSON text of an object";
  return attributeFault(name, value);
}

/**
 * Whether a value of the attribute `metadata` is the text of an object that every JSON reader reads the same way, as
 * Kilde writes it.
 */
function isFreeMetadata(value: unknown, { jsonDepth }: Limits): boolean {
  if (typeof value !== "string") return false;
  try {
    const { value: members } = parseJson(value, jsonDepth);
    return typeof members === "object" && members !== null && !Array.isArray(members);
  } catch (error) {
    if (error instanceof KildeError) return false;
    throw error;
  }
}

function refuse(path: Path, detail: string): never {
  const pointer = jsonPointer(path);
  throw new KildeError("invalid-body", `${pointer}: ${detail}`, { errors: [{ pointer, detail }] });
}

/** Attributes of an event, by name: JSON texts of their values. */
type AttributeTexts = Map<string, string>;

const METADATA_ENTRIES = Object.entries(METADATA_ATTRIBUTES);
const METADATA_NAMES: ReadonlySet<string> = new Set(Object.values(METADATA_ATTRIBUTES));
const ORIGIN_NAMES: ReadonlySet<string> = new Set(Object.values(ORIGIN));

/** Returns the text of the object with the attributes; null: there are none. Throws when it is too large. */
function boundedText(texts: AttributeTexts, limits: Limits): string | null {
  if (texts.size === 0) return null;
  const members = [...texts].map(([name, text]) => `${JSON.stringify(name)}:${text}`);
  const whole = `{${members.join(",")}}`;
  if (!exceedsBytes(whole, limits.metadataBytes)) return whole;
  throw new KildeError("limit-exceeded", `The metadata is larger than ${limits.metadataBytes} bytes`, {
    limit: "metadataBytes",
  });
}

/** Stores the content type as the first member, where the wire format expects it. */
function placeContentType(texts: AttributeTexts, value: unknown): void {
  if (typeof value === "string" && value !== JSON_CONTENT_TYPE) {
    texts.set("datacontenttype", JSON.stringify(value));
  }
}

/**
 * Returns the attributes of an event that was appended with `metadata` and `attributes`. CloudEvents attributes
 * cannot hold objects, so the free members of the metadata become one attribute, as JSON text.
 */
export function appendedAttributes(
  json: JsonText,
  path: Path,
  {
    metadata,
    attributes,
  }: { readonly metadata?: Members | undefined; readonly attributes?: Members | undefined },
  limits: Limits,
): string | null {
  if (metadata === undefined && attributes === undefined) return null;
  const texts: AttributeTexts = new Map();
  placeContentType(texts, attributes?.["datacontenttype"]);
  const free: string[] = [];
  for (const [attribute, name] of METADATA_ENTRIES) {
    if (metadata?.[name] !== undefined) texts.set(attribute, JSON.stringify(metadata[name]));
  }
  for (const [name, value] of Object.entries(metadata ?? {})) {
    if (METADATA_NAMES.has(name)) continue;
    free.push(`${JSON.stringify(name)}:${json.textAt([...path, "metadata", name], value)}`);
  }
  if (free.length > 0) texts.set(FREE_METADATA, JSON.stringify(`{${free.join(",")}}`));
  for (const [name, value] of Object.entries(attributes ?? {})) {
    const at = [...path, "attributes", name];
    const fault = ownAttributeFault(name, value, limits);
    if (fault !== null) refuse(at, fault);
    if (name === "datacontenttype") continue;
    if (texts.has(name)) refuse(at, "is stated in the metadata as well");
    texts.set(name, JSON.stringify(value));
  }
  return boundedText(texts, limits);
}

/** Returns the name under which an attribute of a CloudEvent is stored. */
function keptName(name: string, value: unknown, limits: Limits): string {
  if (isKildeAttribute(name)) return KILDE_ATTRIBUTES[name];
  return name === FREE_METADATA && !isFreeMetadata(value, limits) ? FOREIGN_METADATA : name;
}

/**
 * Returns the attributes of a CloudEvent. Attributes that another Kilde wrote for its own log become the event's
 * origin; if the event already has an origin, they describe an intermediate log, as `id` and `source` do, and are
 * dropped.
 */
export function cloudEventAttributes(event: Members, path: Path, limits: Limits): string | null {
  const texts: AttributeTexts = new Map();
  placeContentType(texts, event["datacontenttype"]);
  const hasOrigin = [...ORIGIN_NAMES].some((name) => typeof event[name] === "string");
  for (const [name, origin] of Object.entries(ORIGIN)) {
    texts.set(origin, JSON.stringify(event[origin] ?? event[name]));
  }
  for (const [name, value] of Object.entries(event)) {
    // In the JSON format of CloudEvents, an attribute that is null is not set.
    if (value === null || PLACED_ATTRIBUTES.has(name) || name === "datacontenttype") continue;
    const fault = attributeFault(name, value);
    if (fault !== null) refuse([...path, name], fault);
    if (ORIGIN_NAMES.has(name) || (isKildeAttribute(name) && hasOrigin)) continue;
    const kept = keptName(name, value, limits);
    if (texts.has(kept)) refuse([...path, name], `is kept as ${kept}, which is stated as well`);
    texts.set(kept, JSON.stringify(value));
  }
  return boundedText(texts, limits);
}
