import { isSchemaObject, type SchemaObject } from "./json-schema.ts";

/** Keywords whose value is a schema, a list of schemas, or schemas by name. */
const ONE = new Set([
  "items",
  "additionalProperties",
  "propertyNames",
  "not",
  "contains",
  "if",
  "then",
  "else",
]);
const SEVERAL = new Set(["anyOf", "oneOf", "allOf", "prefixItems"]);
const NAMED = new Set(["properties", "patternProperties", "$defs"]);

function reference(target: unknown, root: string): unknown {
  return typeof target === "string" && target.startsWith("#")
    ? `${root}${target.slice(1).replace(/^\/\$defs\//, "/definitions/")}`
    : target;
}

/** Draft 07 knows tuples as a list under `items`, and definitions by that name. */
function inDraft7({ $schema: _dialect, $defs, prefixItems, items, ...others }: SchemaObject): SchemaObject {
  return {
    ...others,
    ...($defs === undefined ? {} : { definitions: $defs }),
    ...(prefixItems === undefined ? (items === undefined ? {} : { items }) : { items: prefixItems }),
    ...(prefixItems === undefined || items === undefined ? {} : { additionalItems: items }),
  };
}

/**
 * A JSON Schema of draft 2020-12 as a part of an AsyncAPI document, whose schemas are of draft 07: with references
 * into itself as references into the document, where it stands at `root`.
 */
export function describedIn(schema: unknown, root: string): unknown {
  if (!isSchemaObject(schema)) return schema;
  const within = (value: unknown) => describedIn(value, root);
  const parts = Object.entries(schema).map(([keyword, value]) => {
    if (keyword === "$ref") return [keyword, reference(value, root)];
    if (ONE.has(keyword)) return [keyword, within(value)];
    if (SEVERAL.has(keyword) && Array.isArray(value)) return [keyword, value.map(within)];
    if (NAMED.has(keyword) && isSchemaObject(value)) {
      return [keyword, Object.fromEntries(Object.entries(value).map(([name, each]) => [name, within(each)]))];
    }
    return [keyword, value];
  });
  return inDraft7(Object.fromEntries(parts) as SchemaObject);
}
