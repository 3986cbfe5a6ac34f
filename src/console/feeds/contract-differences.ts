/** Schemas by event type, as a version publishes its contract. */
type SchemasByType = Readonly<Record<string, unknown>>;

/** A member of the data of an event type, where two contracts differ. */
export interface MemberDifference {
  /** Its path: `items[].price`; empty: the data itself. */
  readonly path: string;
  /** Its kind in the earlier contract, and in the later one; null: absent. */
  readonly before: string | null;
  readonly after: string | null;
}

/** The difference of two contracts in one event type. */
export interface TypeDifference {
  readonly type: string;
  readonly kind: "added" | "removed" | "changed" | "same";
  readonly members: readonly MemberDifference[];
}

type Schema = Readonly<Record<string, unknown>>;

/** Keywords with which a schema describes its members, which have entries of their own, or texts for people. */
const STRUCTURE = new Set([
  "$schema",
  "$id",
  "$defs",
  "definitions",
  "$ref",
  "type",
  "enum",
  "const",
  "anyOf",
  "oneOf",
  "properties",
  "required",
  "items",
  "title",
]);

/** Limits that every integer of a contract has, since JSON numbers have no others. */
const SAFE = new Map<string, unknown>([
  ["minimum", Number.MIN_SAFE_INTEGER],
  ["maximum", Number.MAX_SAFE_INTEGER],
]);

function asSchema(value: unknown): Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Schema) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? (value as readonly unknown[]) : [];
}

/** Follows a reference within the schema of the event type. */
function resolved(schema: Schema, root: Schema): Schema {
  const { $ref } = schema;
  if (typeof $ref !== "string" || !$ref.startsWith("#/")) return schema;
  const path = $ref
    .slice(2)
    .split("/")
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
  return path.reduce((found, part) => asSchema(found[part]), root);
}

/** The schemas around a schema, which it may refer to. */
type Around = ReadonlySet<Schema>;

function alternativesOf(schema: Schema): readonly Schema[] {
  return [...listOf(schema["anyOf"]), ...listOf(schema["oneOf"])].map(asSchema);
}

/** Describes the values that a schema allows, without their members: `integer, minimum 0`. */
function kindOf(stated: Schema, root: Schema, around: Around = new Set()): string {
  const schema = resolved(stated, root);
  if (around.has(schema)) return "recursive";
  const alternatives = alternativesOf(schema);
  const values = "const" in schema ? [schema["const"]] : listOf(schema["enum"]);
  const types = [schema["type"]].flat().filter((type) => typeof type === "string");
  const kinds =
    values.length > 0
      ? values.map((value) => JSON.stringify(value))
      : alternatives.length > 0
        ? alternatives.map((each) => kindOf(each, root, new Set([...around, schema])))
        : types;
  const limits = Object.entries(schema)
    .filter(([keyword, value]) => !STRUCTURE.has(keyword) && SAFE.get(keyword) !== value)
    .map(([keyword, value]) => `${keyword} ${JSON.stringify(value)}`);
  return [kinds.length === 0 ? "any" : kinds.join(" or "), ...limits].join(", ");
}

/** Adds the members of a schema by path, with their kinds. */
function addMembers(
  members: Map<string, string>,
  root: Schema,
  stated: Schema,
  path = "",
  around: Around = new Set(),
): void {
  const schema = resolved(stated, root);
  if (around.has(schema)) return;
  const within = new Set([...around, schema]);
  for (const alternative of alternativesOf(schema)) addMembers(members, root, alternative, path, within);
  const required = new Set(listOf(schema["required"]));
  for (const [name, value] of Object.entries(asSchema(schema["properties"]))) {
    const own = path === "" ? name : `${path}.${name}`;
    const member = asSchema(value);
    members.set(own, `${kindOf(member, root)}${required.has(name) ? "" : ", optional"}`);
    addMembers(members, root, member, own, within);
  }
  if (schema["items"] === undefined) return;
  const items = asSchema(schema["items"]);
  members.set(`${path}[]`, kindOf(items, root));
  addMembers(members, root, items, `${path}[]`, within);
}

function membersOf(value: unknown): ReadonlyMap<string, string> {
  const schema = asSchema(value);
  const members = new Map([["", kindOf(schema, schema)]]);
  addMembers(members, schema, schema);
  return members;
}

function memberDifferences(before: unknown, after: unknown): MemberDifference[] {
  const [left, right] = [membersOf(before), membersOf(after)];
  return [...new Set([...left.keys(), ...right.keys()])]
    .map((path) => ({ path, before: left.get(path) ?? null, after: right.get(path) ?? null }))
    .filter((member) => member.before !== member.after);
}

function typeDifference(type: string, before: SchemasByType, after: SchemasByType): TypeDifference {
  if (!Object.hasOwn(before, type)) return { type, kind: "added", members: [] };
  if (!Object.hasOwn(after, type)) return { type, kind: "removed", members: [] };
  const members = memberDifferences(before[type], after[type]);
  return { type, kind: members.length === 0 ? "same" : "changed", members };
}

/** Compares the contracts of two versions, by event type and member of its data. */
export function contractDifferences(before: SchemasByType, after: SchemasByType): TypeDifference[] {
  const types = new Set([...Object.keys(after), ...Object.keys(before)]);
  return [...types].map((type) => typeDifference(type, before, after));
}
