/**
 * Writes JSON SchemaSet as TypeScript types. The schemas come from a server that may be hostile, so each piece of the output
 * is one of four: a fixed token of this file, an identifier of ASCII letters and digits, a string or number literal that
 * `literal` escapes, or a comment of the characters that `comment` lets through. No text of a schema gets out otherwise.
 */

/** Types nested deeper than this become `unknown`. */
const MAX_DEPTH = 64;

const MAX_COMMENT_CHARACTERS = 500;

/** Matches each character that a reader cannot see, or that ends a line. */
const INVISIBLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

type Schema = Readonly<Record<string, unknown>>;

/** The JSON Schema of each published type, as a server sends it. */
export type SchemaSet = Readonly<Record<string, unknown>>;

/** A schema that others refer to, as a separate declaration. */
interface Alias {
  readonly name: string;
  readonly schema: Schema;
  /**
   * Aliases that this one consists of, other than in members of objects. A cycle of these does not compile when an
   * intersection resolves the items of arrays.
   */
  readonly parts: Set<Alias>;
}

interface Scope {
  /** Schema that `#` refers to. */
  readonly root: unknown;
  /** Prefix of the names of aliases. */
  readonly prefix: string;
  readonly aliases: Map<Schema, Alias>;
}

interface Place {
  readonly scope: Scope;
  readonly depth: number;
  readonly indent: string;
  /** The alias that consists of this place; null within members of objects. */
  readonly within: Alias | null;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unicodeEscape(character: string): string {
  return Array.from(
    { length: character.length },
    (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`,
  ).join("");
}

function stringLiteral(text: string): string {
  return JSON.stringify(text).replaceAll(INVISIBLE, unicodeEscape);
}

function memberName(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? name : stringLiteral(name);
}

/**
 * Formats a description as a comment of plain words, without characters that have a meaning in comments or
 * directives.
 */
function comment(description: unknown, indent: string): string {
  if (typeof description !== "string") return "";
  const words = description
    .slice(0, MAX_COMMENT_CHARACTERS)
    .replaceAll(/[^\p{L}\p{N} .,;:()'"!?%+-]/gu, " ")
    .replaceAll(/ +/g, " ")
    .trim();
  return words === "" ? "" : `${indent}/** ${words} */\n`;
}

/** `expense-report`: `ExpenseReport`. */
export function pascalCase(text: string): string {
  const words = text.split(/[^A-Za-z0-9]+/).filter((word) => word !== "");
  return words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join("");
}

function deeper(place: Place): Place {
  return { ...place, depth: place.depth + 1 };
}

function inMember({ scope, depth, indent }: Place): Place {
  return { scope, depth: depth + 1, indent: `${indent}  `, within: null };
}

function joined(types: readonly string[], operator: "|" | "&", none: "never" | "unknown"): string {
  const distinct = [...new Set(types)];
  const [only = none] = distinct;
  return distinct.length < 2 ? only : `(${distinct.join(` ${operator} `)})`;
}

function union(types: readonly string[]): string {
  return joined(types, "|", "never");
}

function intersection(types: readonly string[]): string {
  return joined(types, "&", "unknown");
}

function literal(value: unknown, place: Place): string {
  if (place.depth > MAX_DEPTH) return "unknown";
  if (typeof value === "string") return stringLiteral(value);
  if (typeof value === "number") return Number.isFinite(value) ? String(value) : "number";
  if (typeof value === "boolean") return value ? "true" : "false";
  if (value === null) return "null";
  if (Array.isArray(value)) return `[${value.map((item) => literal(item, deeper(place))).join(", ")}]`;
  if (!isSchema(value)) return "unknown";
  const members = Object.entries(value).map(
    ([name, member]) => `${memberName(name)}: ${literal(member, deeper(place))}`,
  );
  return `{ ${members.join("; ")} }`;
}

function partAt(root: unknown, pointer: string): unknown {
  return pointer
    .split("/")
    .slice(1)
    .reduce<unknown>((part, escaped) => {
      const key = escaped.replaceAll("~1", "/").replaceAll("~0", "~");
      return typeof part === "object" && part !== null && Object.hasOwn(part, key)
        ? Reflect.get<object, string>(part, key)
        : undefined;
    }, root);
}

function consistsOf(whole: Alias, part: Alias): boolean {
  const seen = new Set([whole]);
  for (const alias of seen) {
    if (alias === part) return true;
    for (const next of alias.parts) seen.add(next);
  }
  return false;
}

/**
 * Resolves a reference within the same schema to an alias, so that a schema may refer to itself. Others are
 * `unknown`.
 */
function reference(pointer: string, { scope, within }: Place): string {
  if (pointer !== "#" && !pointer.startsWith("#/")) return "unknown";
  const target = partAt(scope.root, pointer.slice(1));
  if (!isSchema(target)) return "unknown";
  const { aliases, prefix } = scope;
  const alias = aliases.get(target) ?? {
    name: `${prefix}Part${aliases.size + 1}`,
    schema: target,
    parts: new Set(),
  };
  aliases.set(target, alias);
  if (within !== null) {
    if (consistsOf(alias, within)) return "unknown";
    within.parts.add(alias);
  }
  return alias.name;
}

function objectType(schema: Schema, place: Place): string {
  const { properties, required, additionalProperties, patternProperties } = schema;
  const inner = inMember(place);
  const named = isSchema(properties) ? properties : {};
  const needed = new Set(Array.isArray(required) ? required.filter((name) => typeof name === "string") : []);
  const others = [
    ...(additionalProperties === undefined || additionalProperties === false ? [] : [additionalProperties]),
    ...(isSchema(patternProperties) ? Object.values(patternProperties) : []),
  ].map((other) => typeOf(other, inner));
  const other = others.length === 0 ? "unknown" : union(others);
  const members = Object.entries(named).map(([name, member]) => {
    const description = comment(isSchema(member) ? member["description"] : undefined, inner.indent);
    return `${description}${inner.indent}${memberName(name)}${needed.has(name) ? "" : "?"}: ${typeOf(member, inner)};\n`;
  });
  for (const name of needed) {
    if (!Object.hasOwn(named, name)) members.push(`${inner.indent}${memberName(name)}: ${other};\n`);
  }
  if (others.length > 0) {
    // Each named member must match the index signature.
    members.push(`${inner.indent}[name: string]: ${members.length === 0 ? other : "unknown"};\n`);
  }
  return members.length === 0 ? "{}" : `{\n${members.join("")}${place.indent}}`;
}

function arrayType({ items, prefixItems }: Schema, place: Place): string {
  const inner = { ...deeper(place), indent: `${place.indent}  ` };
  const item = items === undefined ? "unknown" : typeOf(items, inner);
  if (!Array.isArray(prefixItems)) return `Array<${item}>`;
  const first = prefixItems.map((type: unknown) => typeOf(type, inner));
  return `[${[...first, ...(items === undefined || items === false ? [] : [`...Array<${item}>`])].join(", ")}]`;
}

function typeNamed(name: unknown, schema: Schema, place: Place): string {
  switch (name) {
    case "string":
    case "number":
    case "boolean":
    case "null":
      return name;
    case "integer":
      return "number";
    case "object":
      return objectType(schema, place);
    case "array":
      return arrayType(schema, place);
    default:
      return "unknown";
  }
}

/** The type that `const`, `enum` or `type` states. */
function statedType(schema: Schema, place: Place): string {
  const { enum: values, type } = schema;
  if (Object.hasOwn(schema, "const")) return literal(schema["const"], place);
  if (Array.isArray(values)) return union(values.map((value) => literal(value, deeper(place))));
  return union([type ?? "any"].flat().map((name) => typeNamed(name, schema, place)));
}

/** Each keyword narrows the type. Keywords that TypeScript has no type for are ignored. */
function typeOf(schema: unknown, place: Place): string {
  if (schema === false) return "never";
  if (!isSchema(schema) || place.depth > MAX_DEPTH) return "unknown";
  const { $ref, anyOf, oneOf, allOf } = schema;
  const typesOf = (schemas: readonly unknown[]) => schemas.map((part) => typeOf(part, deeper(place)));
  const all = [
    ...(typeof $ref === "string" ? [reference($ref, place)] : []),
    statedType(schema, place),
    ...[anyOf, oneOf].filter((parts) => Array.isArray(parts)).map((parts) => union(typesOf(parts))),
    ...(Array.isArray(allOf) ? typesOf(allOf) : []),
  ];
  return intersection(all.filter((part) => part !== "unknown"));
}

/** TypeScript declarations: the interface `name` with a member for each published type, and the aliases that it needs. */
export function typesOfSchemas(name: string, schemas: SchemaSet): string {
  const declarations: string[] = [];
  const members = Object.entries(schemas).map(([type, schema], index) => {
    const prefix = `${name}${pascalCase(type).slice(0, 40)}Type${index + 1}`;
    const scope: Scope = { root: schema, prefix, aliases: new Map() };
    const text = typeOf(schema, { scope, depth: 0, indent: "  ", within: null });
    // Aliases that these need are added to the map while it is walked.
    for (const alias of scope.aliases.values()) {
      const aliased = typeOf(alias.schema, { scope, depth: 0, indent: "", within: alias });
      declarations.push(`export type ${alias.name} = ${aliased};`);
    }
    const description = comment(isSchema(schema) ? schema["description"] : undefined, "  ");
    return `${description}  ${memberName(type)}: ${text};\n`;
  });
  return [`export interface ${name} {\n${members.join("")}}`, ...declarations].join("\n\n");
}
