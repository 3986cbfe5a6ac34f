import { isSchemaObject, listOf, membersOf, type SchemaObject } from "./json-schema.ts";
import { sameJson } from "./same-json.ts";
import { isJsonObject } from "../../core/json-object.ts";

/*
 * Decides whether a JSON Schema (draft 2020-12) describes a value, by functions that are put together once. It knows the
 * keywords that zod writes; a schema with any other is left to the validator (`schema-judge.ts`). A property test holds
 * its decisions to those of two validators.
 */

/** Whether a value is described. */
export type Acceptor = (value: unknown) => boolean;

const ANNOTATIONS = new Set(
  "$schema $id $anchor $comment $defs title description examples default deprecated readOnly writeOnly format contentEncoding contentMediaType".split(
    " ",
  ),
);

/** Thrown for a schema that cannot be decided here. */
class UnknownKeyword extends Error {}

const TYPES: Readonly<Record<string, Acceptor>> = {
  null: (value) => value === null,
  boolean: (value) => typeof value === "boolean",
  string: (value) => typeof value === "string",
  number: (value) => typeof value === "number",
  integer: (value) => Number.isInteger(value),
  array: (value) => Array.isArray(value),
  object: isJsonObject,
};

function typeAcceptor(type: unknown): Acceptor {
  const names = Array.isArray(type) ? (type as unknown[]) : [type];
  const tests = names.map((name) => {
    const test = typeof name === "string" && Object.hasOwn(TYPES, name) ? TYPES[name] : undefined;
    if (test === undefined) throw new UnknownKeyword();
    return test;
  });
  const [only] = tests;
  return only !== undefined && tests.length === 1 ? only : (value) => tests.some((test) => test(value));
}

function valuesAcceptor(values: readonly unknown[]): Acceptor {
  const plain = new Set(values.filter((value) => typeof value !== "object" || value === null));
  const others = values.filter((value) => typeof value === "object" && value !== null);
  return (value) => plain.has(value) || others.some((other) => sameJson(value, other));
}

/** Characters as JSON Schema counts them: code points. */
function lengthOf(text: string): number {
  let length = 0;
  for (const _ of text) length += 1;
  return length;
}

function numberOf(value: unknown): number {
  if (typeof value !== "number" || !Number.isFinite(value)) throw new UnknownKeyword();
  return value;
}

function patternOf(value: unknown): RegExp {
  if (typeof value !== "string") throw new UnknownKeyword();
  try {
    return new RegExp(value, "u");
  } catch {
    // The validator reports it.
    throw new UnknownKeyword();
  }
}

function divisorOf(value: unknown): number {
  // Fractions have no exact remainder.
  if (!Number.isSafeInteger(value) || (value as number) <= 0) throw new UnknownKeyword();
  return value as number;
}

type Build = (keyword: unknown, schema: SchemaObject, compile: (schema: unknown) => Acceptor) => Acceptor;

const ofText =
  (test: (limit: number, text: string) => boolean): Build =>
  (keyword) => {
    const limit = numberOf(keyword);
    return (value) => typeof value !== "string" || test(limit, value);
  };
const ofNumber =
  (test: (limit: number, value: number) => boolean): Build =>
  (keyword) => {
    const limit = numberOf(keyword);
    return (value) => typeof value !== "number" || test(limit, value);
  };
const ofCount =
  (of: (value: unknown) => number | null, test: (limit: number, count: number) => boolean): Build =>
  (keyword) => {
    const limit = numberOf(keyword);
    return (value) => {
      const count = of(value);
      return count === null || test(limit, count);
    };
  };
const items = (value: unknown) => (Array.isArray(value) ? value.length : null);
const members = (value: unknown) => (isJsonObject(value) ? Object.keys(value).length : null);

const properties: Build = (keyword, _schema, compile) => {
  const named = Object.entries(membersOf(keyword)).map(([name, inner]) => [name, compile(inner)] as const);
  return (value) => {
    if (!isJsonObject(value)) return true;
    for (const [name, accepts] of named)
      if (Object.hasOwn(value, name) && !accepts(value[name])) return false;
    return true;
  };
};

const additionalProperties: Build = (keyword, schema, compile) => {
  if ("patternProperties" in schema) throw new UnknownKeyword();
  const known = new Set(Object.keys(membersOf(schema["properties"])));
  const accepts = compile(keyword);
  return (value) => {
    if (!isJsonObject(value)) return true;
    for (const name of Object.keys(value)) if (!known.has(name) && !accepts(value[name])) return false;
    return true;
  };
};

const required: Build = (keyword) => {
  const names = listOf(keyword).filter((name) => typeof name === "string");
  return (value) => !isJsonObject(value) || names.every((name) => Object.hasOwn(value, name));
};

const BUILD: Readonly<Record<string, Build>> = {
  type: typeAcceptor,
  const: (keyword) => valuesAcceptor([keyword]),
  enum: (keyword) => valuesAcceptor(listOf(keyword)),
  minLength: ofText((limit, text) => text.length >= limit && lengthOf(text) >= limit),
  maxLength: ofText((limit, text) => text.length <= limit || lengthOf(text) <= limit),
  pattern(keyword) {
    const pattern = patternOf(keyword);
    return (value) => typeof value !== "string" || pattern.test(value);
  },
  minimum: ofNumber((limit, value) => value >= limit),
  maximum: ofNumber((limit, value) => value <= limit),
  exclusiveMinimum: ofNumber((limit, value) => value > limit),
  exclusiveMaximum: ofNumber((limit, value) => value < limit),
  multipleOf(keyword) {
    const divisor = divisorOf(keyword);
    return (value) => typeof value !== "number" || value % divisor === 0;
  },
  minItems: ofCount(items, (limit, count) => count >= limit),
  maxItems: ofCount(items, (limit, count) => count <= limit),
  minProperties: ofCount(members, (limit, count) => count >= limit),
  maxProperties: ofCount(members, (limit, count) => count <= limit),
  properties,
  additionalProperties,
  required,
  propertyNames(keyword, _schema, compile) {
    const accepts = compile(keyword);
    return (value) => !isJsonObject(value) || Object.keys(value).every(accepts);
  },
  prefixItems(keyword, _schema, compile) {
    const tests = listOf(keyword).map(compile);
    return (value) =>
      !Array.isArray(value) ||
      tests.every((accepts, index) => index >= value.length || accepts(value[index]));
  },
  items(keyword, schema, compile) {
    const first = listOf(schema["prefixItems"]).length;
    const accepts = compile(keyword);
    return (value) => {
      if (!Array.isArray(value)) return true;
      for (let index = first; index < value.length; index += 1) if (!accepts(value[index])) return false;
      return true;
    };
  },
  anyOf(keyword, _schema, compile) {
    const tests = listOf(keyword).map(compile);
    return (value) => tests.some((accepts) => accepts(value));
  },
  allOf(keyword, _schema, compile) {
    const tests = listOf(keyword).map(compile);
    return (value) => tests.every((accepts) => accepts(value));
  },
  oneOf(keyword, _schema, compile) {
    const tests = listOf(keyword).map(compile);
    return (value) => tests.filter((accepts) => accepts(value)).length === 1;
  },
  not(keyword, _schema, compile) {
    const accepts = compile(keyword);
    return (value) => !accepts(value);
  },
};

/** The part of a document that a `$ref` points to. */
function target(document: unknown, reference: unknown): unknown {
  if (typeof reference !== "string" || !/^#(\/|$)/.test(reference)) throw new UnknownKeyword();
  return reference
    .split("/")
    .slice(1)
    .map((key) => decodeURIComponent(key).replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce<unknown>((value, key) => {
      if (typeof value !== "object" || value === null || !Object.hasOwn(value, key))
        throw new UnknownKeyword();
      return Reflect.get(value, key) as unknown;
    }, document);
}

/**
 * An acceptor for a schema; null where it has keywords that are not known here.
 * @param document what the schema's `$ref`s point into
 */
export function createAcceptor(schema: unknown, document: unknown = schema): Acceptor | null {
  /** Schemas that contain themselves refer to their own acceptor. */
  const compiled = new Map<unknown, { accepts: Acceptor | null }>();

  const compile = (part: unknown): Acceptor => {
    if (part === true) return () => true;
    if (part === false) return () => false;
    if (!isSchemaObject(part)) throw new UnknownKeyword();
    const known = compiled.get(part);
    if (known !== undefined) return (value) => known.accepts?.(value) ?? false;
    const entry: { accepts: Acceptor | null } = { accepts: null };
    compiled.set(part, entry);
    const tests = Object.entries(part).flatMap(([keyword, value]): Acceptor[] => {
      if (ANNOTATIONS.has(keyword)) return [];
      if (keyword === "$ref") return [compile(target(document, value))];
      const build = Object.hasOwn(BUILD, keyword) ? BUILD[keyword] : undefined;
      if (build === undefined) throw new UnknownKeyword();
      return [build(value, part, compile)];
    });
    const accepts: Acceptor = (value) => {
      for (const test of tests) if (!test(value)) return false;
      return true;
    };
    entry.accepts = accepts;
    return accepts;
  };

  try {
    return compile(schema);
  } catch (error) {
    if (error instanceof UnknownKeyword) return null;
    throw error;
  }
}
