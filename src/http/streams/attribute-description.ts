import { KILDE_ATTRIBUTES, PLACED_ATTRIBUTES } from "../../core/attributes.ts";

/*
 * The rules of CloudEvents attributes that a JSON Schema can state, for /openapi.json. `attributes.ts` validates.
 */

const NAME_PATTERN = "^[a-z0-9]{1,20}$";

const STRING = { type: "string" } as const;
const EXTENSIONS = [
  STRING,
  { type: "boolean" },
  { type: "integer", minimum: -(2 ** 31), maximum: 2 ** 31 - 1 },
] as const;

export const CONTENT_TYPE_DESCRIPTION = {
  description: "Media type of the data, which is JSON",
  pattern: "^(application/json|[^;\\s/]+/[^;\\s/]+\\+json)\\s*(;.*)?$",
} as const;

/** `attributes` of an event in Kilde's own JSON. */
export const ATTRIBUTES_DESCRIPTION = {
  type: "object" as const,
  description:
    "Further CloudEvents attributes: extensions, whose values are strings, booleans or 32-bit integers, `dataschema`, and a `datacontenttype` other than application/json",
  properties: {
    datacontenttype: { ...STRING, ...CONTENT_TYPE_DESCRIPTION },
    dataschema: { ...STRING, minLength: 1 },
    correlationid: STRING,
    causationid: STRING,
    traceparent: STRING,
    tracestate: STRING,
    metadata: { ...STRING, description: "JSON text of an object" },
  },
  propertyNames: {
    pattern: NAME_PATTERN,
    not: { enum: [...PLACED_ATTRIBUTES, ...Object.keys(KILDE_ATTRIBUTES)] },
  },
  additionalProperties: { oneOf: [...EXTENSIONS] },
  example: { originid: "a-1" },
};

/** A CloudEvent. Kilde accepts null too, as an attribute that is not set; oapi-codegen rejects it in a union. */
export const CLOUD_EVENT_DESCRIPTION = {
  propertyNames: { pattern: NAME_PATTERN },
  additionalProperties: { oneOf: [...EXTENSIONS] },
};
