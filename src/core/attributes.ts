/**
 * The CloudEvents attributes that Kilde interprets. Producers, readers and wire formats derive the free attributes
 * from these lists.
 */

/** Value of an extension attribute: text, boolean, or 32-bit integer. */
export type AttributeValue = string | number | boolean;

/** Members of a JSON CloudEvent that map to a member of an event, or that Kilde writes for each event. */
export const PLACED_ATTRIBUTES: ReadonlySet<string> = new Set([
  "specversion",
  "id",
  "source",
  "type",
  "subject",
  "time",
  "data",
  "data_base64",
]);

/**
 * Attributes that Kilde writes to describe the place of an event, each with the name that keeps a value from
 * elsewhere: an event that another Kilde has served arrives with the place it had there.
 */
export const KILDE_ATTRIBUTES = {
  sequence: "originsequence",
  recordedtime: "originrecordedtime",
  logidentity: "originlogidentity",
  projectedfrom: "originprojectedfrom",
  previoussequence: "originprevious",
  method: "originmethod",
  reason: "originreason",
} as const;

export type KildeAttribute = keyof typeof KILDE_ATTRIBUTES;

export function isKildeAttribute(name: string): name is KildeAttribute {
  return Object.hasOwn(KILDE_ATTRIBUTES, name);
}

/** Names that keep the `id` and `source` of a CloudEvent that was appended. */
export const ORIGIN = { id: "originid", source: "originsource" } as const;

/** Attributes that are members of an event's metadata, with their names there. */
export const METADATA_ATTRIBUTES = {
  correlationid: "correlationId",
  causationid: "causationId",
  traceparent: "traceparent",
  tracestate: "tracestate",
} as const;

export type MetadataAttribute = keyof typeof METADATA_ATTRIBUTES;

export function isMetadataAttribute(name: string): name is MetadataAttribute {
  return Object.hasOwn(METADATA_ATTRIBUTES, name);
}

/** The attribute that holds the free members of an event's metadata, as the JSON text of an object. */
export const FREE_METADATA = "metadata";

/** Keeps an attribute `metadata` that is not the JSON text of an object. */
export const FOREIGN_METADATA = "originmetadata";

/** The default of `datacontenttype`. */
export const JSON_CONTENT_TYPE = "application/json";

/** Parses the attribute `metadata`. Null for a value that is not the JSON text of an object. */
export function freeMetadata(value: unknown): Readonly<Record<string, unknown>> | null {
  if (typeof value !== "string") return null;
  try {
    const members: unknown = JSON.parse(value);
    const isObject = typeof members === "object" && members !== null && !Array.isArray(members);
    return isObject ? (members as Readonly<Record<string, unknown>>) : null;
  } catch {
    return null;
  }
}
