/*
 * The CloudEvents attributes that have a meaning in Kilde, in one place: producers, readers and forms on the wire derive
 * from these lists which attributes are free.
 */

/** Value of an extension attribute: text, boolean, or 32-bit integer. */
export type AttributeValue = string | number | boolean;

/** Members of a CloudEvent in JSON that have a place of their own in an event, or that Kilde writes for each event. */
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
 * Attributes that Kilde writes to say where an event is and how it got there, each with the name under which a value from
 * elsewhere is kept: an event that another Kilde has served carries the values of its place there.
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

/** `id` and `source` of a CloudEvent that was appended: where it was first seen. */
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

/** Where an event came with an attribute `metadata` that is not the JSON text of an object, it is kept as this one. */
export const FOREIGN_METADATA = "originmetadata";

/** What `datacontenttype` is where an event does not state another one. */
export const JSON_CONTENT_TYPE = "application/json";

/** The members of the object whose JSON text a value of the attribute `metadata` is; null for any other value. */
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
