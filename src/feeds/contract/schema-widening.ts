import {
  type Alternative,
  alternativesOf,
  ANY,
  isAny,
  isNever,
  kindsOf,
  listOf,
  membersOf,
  partsOf,
  type Path,
  resolve,
  rest,
  type SchemaObject,
  schemaOf,
  valuesOf,
} from "./json-schema.ts";
import { areAkin, areDisjoint, described } from "./schema-alternatives.ts";
import { createAcceptor } from "./schema-acceptor.ts";
import { sameJson } from "./same-json.ts";
import { BOUND_KEYWORDS, loosenedBounds } from "./schema-bounds.ts";

/** Why a change breaks consumers. */
export type Rule =
  | "type-removed"
  | "member-removed"
  | "member-optional"
  | "type-widened"
  | "values-widened"
  | "constraint-loosened"
  | "object-opened"
  | "default-changed"
  | "source-changed"
  | "not-comparable";

export interface WideningFinding {
  /** Into the schema as it was published. */
  readonly path: Path;
  readonly rule: Rule;
  readonly detail: string;
}

/** Keywords that are compared by what they mean; all others must not change. */
const UNDERSTOOD = new Set(
  "$ref type const enum properties required additionalProperties propertyNames items prefixItems anyOf oneOf allOf default"
    .split(" ")
    .concat([...BOUND_KEYWORDS]),
);

function unknownChange(path: Path, detail: string): WideningFinding {
  return { path, rule: "not-comparable", detail: `${detail}; the effect on consumers is unknown` };
}

/** Compares two schemas within their documents, which `$ref` points into. */
class Comparison {
  readonly #before: SchemaObject;
  readonly #now: SchemaObject;
  /** Pairs under way: a schema that contains itself is as it was if nothing else of it changed. */
  readonly #open = new Map<SchemaObject, Set<SchemaObject>>();

  constructor(before: SchemaObject, now: SchemaObject) {
    this.#before = before;
    this.#now = now;
  }

  compare(beforeValue: unknown, nowValue: unknown, path: Path): WideningFinding[] {
    const [beforeSchema, nowSchema] = [schemaOf(beforeValue), schemaOf(nowValue)];
    const before = resolve(beforeSchema, this.#before);
    const now = resolve(nowSchema, this.#now);
    if (before === null || now === null)
      return [unknownChange(path, "a $ref leads nowhere, or out of the schema")];
    const findings: WideningFinding[] = [];
    // A default beside a `$ref` counts, and not the one of the schema that it refers to.
    const [was, is] = [{ ...before, ...beforeSchema }["default"], { ...now, ...nowSchema }["default"]];
    if (!sameJson(was, is)) {
      const detail = "the default of an absent member has changed";
      findings.push({ path: [...path, "default"], rule: "default-changed", detail });
    }
    const under = this.#open.get(before) ?? new Set();
    if (under.has(now)) return findings;
    this.#open.set(before, under.add(now));
    findings.push(...this.#resolved(before, now, path));
    under.delete(now);
    return findings;
  }

  #resolved(before: SchemaObject, now: SchemaObject, path: Path): WideningFinding[] {
    if (isAny(before) || isNever(now) || this.#allowsValuesOf(before, now)) return [];
    return this.#alternatives(before, now, path);
  }

  /** Whether only a few values are produced now, all of which could be produced before. */
  #allowsValuesOf(before: SchemaObject, now: SchemaObject): boolean {
    const values = valuesOf(now);
    if (values === null) return false;
    const accepts = createAcceptor(before, this.#before);
    return accepts !== null && values.every((value) => accepts(value));
  }

  /** Each alternative produced now must match one that was produced before. */
  #alternatives(before: SchemaObject, now: SchemaObject, path: Path): WideningFinding[] {
    const were = alternativesOf(before);
    const are = alternativesOf(now);
    if (this.#unchanged(before, now)) return [];
    if (were === null || are === null) {
      return [unknownChange(path, "a union with other keywords beside it has changed")];
    }
    const [was, is] = [were[0], are[0]];
    if (were.length === 1 && are.length === 1 && was !== undefined && is !== undefined) {
      const at = [...path, ...was.path];
      return was.path.length === 0 && is.path.length === 0
        ? this.#parts(was.schema, is.schema, at)
        : this.compare(was.schema, is.schema, at);
    }
    return are.flatMap((alternative) => this.#among(were, alternative.schema, before, path));
  }

  #unchanged(before: SchemaObject, now: SchemaObject): boolean {
    if (!sameJson(rest(before), rest(now))) return false;
    return !JSON.stringify(before).includes('"$ref"') || sameJson(this.#before, this.#now);
  }

  #among(
    were: readonly Alternative[],
    nowValue: SchemaObject,
    before: SchemaObject,
    path: Path,
  ): WideningFinding[] {
    const outcomes = were.map((was) => ({
      was,
      findings: this.compare(was.schema, nowValue, [...path, ...was.path]),
    }));
    const fitting = outcomes.filter(({ findings }) => findings.length === 0);
    const now = resolve(nowValue, this.#now) ?? ANY;
    // A value that matches two alternatives of oneOf is invalid.
    const others = outcomes.filter((outcome) => outcome !== fitting[0]).map(({ was }) => was.schema);
    if (fitting.length > 0 && "oneOf" in before) {
      return others.every((other) => areDisjoint(resolve(other, this.#before) ?? ANY, now))
        ? []
        : [unknownChange(path, "values produced now may match more than one alternative of oneOf")];
    }
    if (fitting.length > 0) return [];
    const akin = outcomes.filter(({ was }) => areAkin(resolve(was.schema, this.#before) ?? ANY, now));
    const nearest = akin.toSorted((a, b) => a.findings.length - b.findings.length)[0];
    if (nearest !== undefined) return nearest.findings;
    const detail = `may be ${described(now)} now`;
    return [{ path, rule: "type-widened", detail }];
  }

  /** Each part of the previous `allOf` must still be demanded, by a part of the present one. */
  #parts(before: SchemaObject, now: SchemaObject, path: Path): WideningFinding[] {
    if (!("allOf" in before) && !("allOf" in now)) return this.#keywords(before, now, path);
    const were = partsOf(before);
    const are = partsOf(now).map(({ schema }) => schema);
    return were.flatMap(({ schema, path: at }, index) => {
      const outcomes = are.map((part) => this.compare(schema, part, [...path, ...at]));
      if (outcomes.some((findings) => findings.length === 0)) return [];
      return outcomes[Math.min(index, outcomes.length - 1)] ?? [];
    });
  }

  #keywords(before: SchemaObject, now: SchemaObject, path: Path): WideningFinding[] {
    const wider = kindFindings(before, now).concat(valueFindings(before, now));
    if (wider.length > 0) return wider.map((finding) => ({ ...finding, path: [...path, ...finding.path] }));
    const kinds = kindsOf(now);
    const findings: WideningFinding[] = loosenedBounds(before, now, kinds).map((finding) => ({
      ...finding,
      path: [...path, ...finding.path],
    }));
    if (kinds.has("object")) findings.push(...this.#objects(before, now, path));
    if (kinds.has("array")) findings.push(...this.#arrays(before, now, path));
    for (const [keyword, value] of Object.entries(rest(before))) {
      if (!UNDERSTOOD.has(keyword) && !sameJson(value, now[keyword])) {
        findings.push(unknownChange([...path, keyword], `${keyword} has changed`));
      }
    }
    return findings;
  }

  #objects(before: SchemaObject, now: SchemaObject, path: Path): WideningFinding[] {
    const were = membersOf(before["properties"]);
    const are = membersOf(now["properties"]);
    const stillRequired = new Set(listOf(now["required"]));
    const findings: WideningFinding[] = [];
    for (const [name, schema] of Object.entries(were)) {
      const at = [...path, "properties", name];
      if (Object.hasOwn(are, name)) findings.push(...this.compare(schema, are[name], at));
      else findings.push({ path: at, rule: "member-removed", detail: "is not published any more" });
    }
    for (const name of listOf(before["required"])) {
      if (stillRequired.has(name)) continue;
      if (Object.hasOwn(were, String(name)) && !Object.hasOwn(are, String(name))) continue;
      const detail = "was always there, and may be absent now";
      findings.push({ path: [...path, "properties", String(name)], rule: "member-optional", detail });
    }
    return [...findings, ...this.#furtherMembers(before, now, path)];
  }

  /** Members that are not named: those of a record, or those that a closed object ruled out. */
  #furtherMembers(before: SchemaObject, now: SchemaObject, path: Path): WideningFinding[] {
    const findings: WideningFinding[] = [];
    if ("propertyNames" in before) {
      // Names are texts in any case.
      const names = now["propertyNames"] ?? { type: "string" };
      findings.push(...this.compare(before["propertyNames"], names, [...path, "propertyNames"]));
    }
    const further = before["additionalProperties"];
    if (further === undefined || further === true || "patternProperties" in before) return findings;
    const at = [...path, "additionalProperties"];
    const fresh = Object.entries(membersOf(now["properties"])).filter(
      ([name]) => !Object.hasOwn(membersOf(before["properties"]), name),
    );
    if (further === false) {
      const opened = fresh.map(([name]) => JSON.stringify(name));
      if (now["additionalProperties"] !== false) opened.push("any other");
      if (opened.length > 0) {
        const detail = `the object was closed, and may have a member ${opened.join(", ")} now`;
        findings.push({ path: at, rule: "object-opened", detail });
      }
      return findings;
    }
    for (const [, schema] of fresh) findings.push(...this.compare(further, schema, at));
    return [...findings, ...this.compare(further, now["additionalProperties"], at)];
  }

  #arrays(before: SchemaObject, now: SchemaObject, path: Path): WideningFinding[] {
    const were = listOf(before["prefixItems"]);
    const are = listOf(now["prefixItems"]);
    if (were.length === 0 && are.length > 0 && "items" in before) {
      const each = are.flatMap((schema, index) =>
        this.compare(before["items"], schema, [...path, "prefixItems", index]),
      );
      return [...each, ...this.compare(before["items"], now["items"], [...path, "items"])];
    }
    if (were.length !== are.length)
      return [unknownChange([...path, "prefixItems"], "the tuple's length has changed")];
    const findings = were.flatMap((schema, index) =>
      this.compare(schema, are[index], [...path, "prefixItems", index]),
    );
    return "items" in before
      ? [...findings, ...this.compare(before["items"], now["items"], [...path, "items"])]
      : findings;
  }
}

function kindFindings(before: SchemaObject, now: SchemaObject): WideningFinding[] {
  if (before["type"] === undefined) return [];
  const were = kindsOf(before);
  const more = [...kindsOf(now)].filter(
    (kind) => !were.has(kind) && !(kind === "integer" && were.has("number")),
  );
  if (more.length === 0) return [];
  const detail = `was ${[...were].join(" or ")}, and may be ${more.join(" or ")} now`;
  return [{ path: ["type"], rule: "type-widened", detail }];
}

function valueFindings(before: SchemaObject, now: SchemaObject): WideningFinding[] {
  const were = valuesOf(before);
  if (were === null) return [];
  const path = ["const" in before ? "const" : "enum"];
  const are = valuesOf(now);
  if (are === null)
    return [{ path, rule: "values-widened", detail: "was one of a few values, and may be any now" }];
  const more = are.filter((value) => !were.some((was) => sameJson(was, value)));
  const listed = more.map((value) => JSON.stringify(value)).join(", ");
  return more.length === 0 ? [] : [{ path, rule: "values-widened", detail: `may be ${listed} now` }];
}

/** The places where a schema accepts values that the previous one refused, or drops a guarantee that it gave. */
export function widenings(before: unknown, now: unknown): WideningFinding[] {
  return new Comparison(schemaOf(before), schemaOf(now)).compare(before, now, []);
}
