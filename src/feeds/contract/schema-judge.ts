import { type Schema, Validator } from "@cfworker/json-schema";

import { createAcceptor } from "./schema-acceptor.ts";
import { withoutFormats } from "./json-schema.ts";

/*
 * Whether a value is one that a served JSON Schema (draft 2020-12) describes. The validator is an interpreter, so that it
 * runs where code must not be generated, but it takes several microseconds; the acceptor spares valid values that.
 */

export interface SchemaIssue {
  /** JSON pointer into the value. */
  readonly pointer: string;
  readonly detail: string;
}

/** Returns the issues of a value; empty: the schema describes it. */
export type SchemaJudge = (value: unknown) => readonly SchemaIssue[];

/** Errors that only repeat that something inside failed. */
const WRAPPERS = new Set(["properties", "items", "prefixItems", "$ref", "allOf", "additionalProperties"]);

const UNDESCRIBED = "is not what the published JSON Schema describes";

/** A judge for values of a schema. */
export function createSchemaJudge(schema: unknown): SchemaJudge {
  const accepts = createAcceptor(schema);
  let validator: Validator | null = null;
  return (value) => {
    if (accepts?.(value) === true) return [];
    validator ??= new Validator(withoutFormats(schema) as Schema, "2020-12", true);
    let errors: ReturnType<Validator["validate"]>["errors"];
    try {
      const result = validator.validate(value);
      if (result.valid) return [];
      ({ errors } = result);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return [{ pointer: "", detail: `cannot be checked against the published JSON Schema: ${reason}` }];
    }
    const specific = errors.filter(({ keyword }) => !WRAPPERS.has(keyword));
    return (specific.length > 0 ? specific : errors).map(({ instanceLocation, error }) => ({
      pointer: instanceLocation.replace(/^#/, ""),
      detail: `${UNDESCRIBED}: ${error}`,
    }));
  };
}
