import { kindsOf, listOf, membersOf, type SchemaObject, schemaOf, valuesOf } from "./json-schema.ts";
import { sameJson } from "./same-json.ts";

/** Whether two alternatives are about the same thing: the same kind of value, and the same constant members. */
export function areAkin(before: SchemaObject, now: SchemaObject): boolean {
  const kinds = kindsOf(before);
  if (![...kindsOf(now)].some((kind) => kinds.has(kind))) return false;
  const are = membersOf(now["properties"]);
  return Object.entries(membersOf(before["properties"])).every(([name, schema]) => {
    const [was, is] = [valuesOf(schemaOf(schema)), valuesOf(schemaOf(are[name]))];
    return was === null || is === null || sameJson(was, is);
  });
}

/** Whether no value can match both: by its kind, or by a constant member that both demand. */
export function areDisjoint(one: SchemaObject, other: SchemaObject): boolean {
  const [kinds, others] = [kindsOf(one), kindsOf(other)];
  const numeric = (set: ReadonlySet<string>) => set.has("number") || set.has("integer");
  if (![...kinds].some((kind) => others.has(kind)) && !(numeric(kinds) && numeric(others))) return true;
  if (kinds.size !== 1 || !kinds.has("object")) return false;
  const required = listOf(other["required"]);
  return listOf(one["required"]).some((name) => {
    if (typeof name !== "string" || !required.includes(name)) return false;
    const [was, is] = [one, other].map((schema) => valuesOf(schemaOf(membersOf(schema["properties"])[name])));
    return (
      was !== null &&
      was !== undefined &&
      is !== null &&
      is !== undefined &&
      !was.some((value) => is.some((each) => sameJson(value, each)))
    );
  });
}

/** Describes the values of a schema in words. */
export function described(schema: SchemaObject): string {
  const values = valuesOf(schema);
  if (values !== null) return values.map((value) => JSON.stringify(value)).join(" or ");
  const { type } = schema;
  if (type === "null") return "null";
  return typeof type === "string" ? `another kind of ${type}, or ${type} at all` : "something else";
}
