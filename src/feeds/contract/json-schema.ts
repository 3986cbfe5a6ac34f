/** A JSON Schema (draft 2020-12), or an object that may be one. */
export type SchemaObject = Readonly<Record<string, unknown>>;
/** From a schema to a part of it. */
export type Path = readonly (string | number)[];

/** The kinds of JSON values that a schema distinguishes, with `integer` within `number`. */
export const KINDS = ["null", "boolean", "object", "array", "number", "string", "integer"] as const;
export type Kind = (typeof KINDS)[number];

/** Keywords that do not restrict values. */
const ANNOTATIONS = new Set(
  "$schema $id $anchor $comment $defs definitions title description examples deprecated readOnly writeOnly".split(
    " ",
  ),
);
export const ANY: SchemaObject = {};
const NEVER: SchemaObject = { not: {} };

export function isSchemaObject(value: unknown): value is SchemaObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function schemaOf(value: unknown): SchemaObject {
  if (value === false) return NEVER;
  return isSchemaObject(value) ? value : ANY;
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : [];
}

export function membersOf(value: unknown): SchemaObject {
  return isSchemaObject(value) ? value : {};
}

/** Without annotations, and without these keywords. */
export function rest(schema: SchemaObject, ...without: string[]): SchemaObject {
  return Object.fromEntries(
    Object.entries(schema).filter(([keyword]) => !ANNOTATIONS.has(keyword) && !without.includes(keyword)),
  );
}

export function isAny(schema: SchemaObject): boolean {
  return Object.keys(rest(schema, "default")).length === 0;
}

export function isNever(schema: SchemaObject): boolean {
  return (
    "not" in schema && (schema["not"] === true || (isSchemaObject(schema["not"]) && isAny(schema["not"])))
  );
}

function kindOf(value: unknown): Kind {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value === "string" || typeof value === "boolean" ? (typeof value as Kind) : "object";
}

export function valuesOf(schema: SchemaObject): readonly unknown[] | null {
  if ("const" in schema) return [schema["const"]];
  return Array.isArray(schema["enum"]) ? listOf(schema["enum"]) : null;
}

export function kindsOf(schema: SchemaObject): ReadonlySet<Kind> {
  const { type } = schema;
  if (type !== undefined) return new Set(listOf(Array.isArray(type) ? type : [type]) as Kind[]);
  const values = valuesOf(schema);
  return new Set(values === null ? KINDS : values.map(kindOf));
}

export interface Alternative {
  readonly path: Path;
  readonly schema: SchemaObject;
}

/** Follows `$ref` within its document; null if it leads elsewhere, or has other keywords than `default` beside it. */
export function resolve(schema: SchemaObject, document: SchemaObject, depth = 0): SchemaObject | null {
  const reference = schema["$ref"];
  if (reference === undefined) return schema;
  if (typeof reference !== "string" || !/^#(\/|$)/.test(reference) || depth > 100) return null;
  if (Object.keys(rest(schema, "$ref", "default")).length > 0) return null;
  const keys = reference.split("/").slice(1);
  const target = keys.reduce<unknown>(
    (value, key) => membersOf(value)[decodeURIComponent(key).replaceAll("~1", "/").replaceAll("~0", "~")],
    document,
  );
  return isSchemaObject(target) ? resolve(target, document, depth + 1) : null;
}

/** The alternatives of a schema: of `anyOf` or `oneOf`, or one for each of several types. */
export function alternativesOf(schema: SchemaObject): readonly Alternative[] | null {
  for (const keyword of ["anyOf", "oneOf"]) {
    if (!(keyword in schema)) continue;
    if (Object.keys(rest(schema, keyword, "default")).length > 0) return null;
    return listOf(schema[keyword]).map((each, index) => ({ path: [keyword, index], schema: schemaOf(each) }));
  }
  const { type, default: _default, ...others } = schema;
  if (!Array.isArray(type)) return [{ path: [], schema: type === undefined ? others : { ...others, type } }];
  return listOf(type).map((each) => ({ path: [], schema: { ...others, type: each } }));
}

export function partsOf(schema: SchemaObject): readonly Alternative[] {
  const { allOf, ...base } = schema;
  const parts = listOf(allOf).map((each, index) => ({ path: ["allOf", index], schema: schemaOf(each) }));
  return isAny(base) && parts.length > 0 ? parts : [{ path: [], schema: base }, ...parts];
}

/** Keywords whose value is no schema, or maps names to schemas. */
const VALUES = new Set(["const", "enum", "default", "examples", "required"]);
const MAPS = new Set(["properties", "patternProperties", "$defs", "dependentSchemas"]);

/** A copy of a schema in which each schema within has only the keywords that `keep` chooses. */
export function filterKeywords(
  schema: unknown,
  keep: (keyword: string, schema: SchemaObject) => boolean,
): unknown {
  const filtered = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(filtered);
    if (!isSchemaObject(value)) return value;
    const kept = Object.entries(value).filter(([keyword]) => keep(keyword, value));
    return Object.fromEntries(
      kept.map(([keyword, inner]) => {
        if (VALUES.has(keyword)) return [keyword, inner];
        if (!MAPS.has(keyword) || !isSchemaObject(inner)) return [keyword, filtered(inner)];
        return [
          keyword,
          Object.fromEntries(Object.entries(inner).map(([name, each]) => [name, filtered(each)])),
        ];
      }),
    );
  };
  return filtered(schema);
}

/** Without `format`, which is an annotation in this draft, and which each validator checks in its own way. */
export function withoutFormats(schema: unknown): unknown {
  return filterKeywords(schema, (keyword) => keyword !== "format");
}

/** Without texts for people; of schemas by event type. */
export function withoutAnnotations(schemas: SchemaObject): unknown {
  const isText = (keyword: string) => ["title", "description", "examples", "$comment"].includes(keyword);
  return filterKeywords({ properties: schemas }, (keyword) => !isText(keyword));
}

/**
 * Without what a generator writes of its own accord, and may write differently in another version: the pattern of a format,
 * and the bounds of whole numbers that are safe.
 */
export function withoutGenerated(schema: unknown): unknown {
  return filterKeywords(schema, (keyword, within) => {
    if (keyword === "pattern") return !("format" in within);
    const isBound = keyword === "minimum" || keyword === "maximum";
    return !(isBound && Math.abs(Number(within[keyword])) === Number.MAX_SAFE_INTEGER);
  });
}
