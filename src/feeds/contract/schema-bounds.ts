import { Validator } from "@cfworker/json-schema";

import type { Kind, SchemaObject } from "./json-schema.ts";
import type { WideningFinding } from "./schema-widening.ts";

interface Bound {
  readonly keyword: string;
  readonly kind: Kind;
  readonly direction: "least" | "most";
  /** The limit if the keyword is absent. */
  readonly absent: number;
}

const COUNTS: readonly Bound[] = [
  { keyword: "minLength", kind: "string", direction: "least", absent: 0 },
  { keyword: "maxLength", kind: "string", direction: "most", absent: Number.POSITIVE_INFINITY },
  { keyword: "minItems", kind: "array", direction: "least", absent: 0 },
  { keyword: "maxItems", kind: "array", direction: "most", absent: Number.POSITIVE_INFINITY },
  { keyword: "minProperties", kind: "object", direction: "least", absent: 0 },
  { keyword: "maxProperties", kind: "object", direction: "most", absent: Number.POSITIVE_INFINITY },
];

/** Keywords that must be as they were, if they were there: which texts one pattern lets through is not decided here. */
const AS_THEY_WERE: readonly (readonly [keyword: string, kind: Kind])[] = [
  ["pattern", "string"],
  ["format", "string"],
  ["contentEncoding", "string"],
  ["contentMediaType", "string"],
  ["uniqueItems", "array"],
];

export const BOUND_KEYWORDS: ReadonlySet<string> = new Set([
  ...COUNTS.map(({ keyword }) => keyword),
  ...AS_THEY_WERE.map(([keyword]) => keyword),
  "minimum",
  "exclusiveMinimum",
  "maximum",
  "exclusiveMaximum",
  "multipleOf",
]);

function numberAt(schema: SchemaObject, keyword: string, absent: number): number {
  const value = schema[keyword];
  return typeof value === "number" ? value : absent;
}

function shown(value: unknown): string {
  return value === undefined ? "no such limit" : JSON.stringify(value);
}

function loosened(keyword: string, before: SchemaObject, now: SchemaObject): WideningFinding {
  const detail = `${keyword} was ${shown(before[keyword])} and is ${shown(now[keyword])}`;
  return { path: [keyword], rule: "constraint-loosened", detail };
}

/**
 * The limit below which (`sign` 1) or above which (`sign` -1) there is no number, and whether it is none itself. Of whole
 * numbers it is one itself: those above 4 are those from 5.
 */
function limitOf(schema: SchemaObject, closed: string, open: string, sign: 1 | -1, whole: boolean) {
  const infinite = -sign * Number.POSITIVE_INFINITY;
  const inclusive = numberAt(schema, closed, infinite) * sign;
  const exclusive = numberAt(schema, open, infinite) * sign;
  if (whole) return { at: Math.max(Math.ceil(inclusive), Math.floor(exclusive) + 1), open: false };
  return exclusive >= inclusive
    ? { at: exclusive, open: exclusive !== -Infinity }
    : { at: inclusive, open: false };
}

function rangeFindings(before: SchemaObject, now: SchemaObject, whole: boolean): WideningFinding[] {
  const sides = [
    ["minimum", "exclusiveMinimum", 1],
    ["maximum", "exclusiveMaximum", -1],
  ] as const;
  return sides.flatMap(([closed, open, sign]) => {
    const was = limitOf(before, closed, open, sign, whole);
    const is = limitOf(now, closed, open, sign, whole);
    const looser = is.at < was.at || (is.at === was.at && was.open && !is.open);
    const keyword = open in before && !(closed in before) ? open : closed;
    return looser ? [loosened(keyword, before, now)] : [];
  });
}

/** By their decimal digits: 0.3 is three times 0.1. */
function isMultiple(now: unknown, before: number): boolean {
  return typeof now === "number" && new Validator({ multipleOf: before }, "2020-12").validate(now).valid;
}

/** A pattern that rules out the empty text implies a length of at least 1. */
function isNeverEmpty({ pattern }: SchemaObject): boolean {
  if (typeof pattern !== "string") return false;
  try {
    return !new RegExp(pattern, "u").test("");
  } catch {
    return false;
  }
}

/** Limits that let more through than they did, for the kinds of values that are still produced. */
export function loosenedBounds(
  before: SchemaObject,
  now: SchemaObject,
  kinds: ReadonlySet<Kind>,
): WideningFinding[] {
  const findings: WideningFinding[] = [];
  for (const { keyword, kind, direction, absent } of COUNTS) {
    const difference = numberAt(now, keyword, absent) - numberAt(before, keyword, absent);
    const looser = direction === "least" ? difference < 0 : difference > 0;
    const isImplied = keyword === "minLength" && before[keyword] === 1 && isNeverEmpty(now);
    if (kinds.has(kind) && looser && !isImplied) findings.push(loosened(keyword, before, now));
  }
  for (const [keyword, kind] of AS_THEY_WERE) {
    const was = before[keyword];
    if (kinds.has(kind) && was !== undefined && was !== false && was !== now[keyword]) {
      findings.push(loosened(keyword, before, now));
    }
  }
  if (kinds.has("number") || kinds.has("integer")) {
    findings.push(...rangeFindings(before, now, !kinds.has("number")));
    const { multipleOf } = before;
    if (typeof multipleOf === "number" && !isMultiple(now["multipleOf"], multipleOf)) {
      findings.push(loosened("multipleOf", before, now));
    }
  }
  return findings;
}
