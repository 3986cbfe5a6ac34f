import { KildeError } from "./errors.ts";
import { jsonPointer } from "./json-pointer.ts";
import { compactJson, depthAtMost } from "./json-scan.ts";
import { createTextFinder, repeatedMember } from "./json-spans.ts";

type Path = readonly (string | number)[];

declare const proved: unique symbol;

/**
 * A JSON text on one line, as it is stored: `JSON.stringify` wrote it, or it was parsed alone. Only this module
 * creates such texts, so that no other text can be stored as data.
 */
export type ProvedJson = string & { readonly [proved]: true };

/** The JSON text of a value. Throws a TypeError for a value without one, such as undefined. */
export function jsonText(value: unknown): ProvedJson {
  // `JSON.stringify` returns undefined for some values, despite its declared type.
  const text = JSON.stringify(value) as ProvedJson | undefined;
  if (text === undefined) throw new TypeError("the value has no JSON text");
  return text;
}

/** Parses the text and returns it: a text that is not JSON throws here instead of being stored. */
function prove(compact: string): ProvedJson {
  JSON.parse(compact);
  return compact as ProvedJson;
}

/** A parsed JSON text that can return the text of each part. */
export interface JsonText {
  readonly value: unknown;
  /** Upper bound of the nesting of arrays and objects. */
  readonly depthAtMost: number;
  /**
   * The text of the member at a path whose parsed value is `value`, on one line: numbers and strings as received,
   * including those that JavaScript would format differently, and no whitespace between tokens.
   */
  textAt(path: Path, value: unknown): ProvedJson;
}

/** An escaped surrogate may be half of a pair: only such a text is scanned for one. */
const MAY_HAVE_LONE_SURROGATE = /\\u[dD][89a-fA-F]/;

function refuseLoneSurrogates(value: unknown, path: (string | number)[]): void {
  const refuse = (): never => {
    throw new KildeError(
      "malformed-json",
      "A string holds half of a surrogate pair, which is not a character",
      {
        errors: [{ pointer: jsonPointer(path), detail: "Not well-formed Unicode" }],
      },
    );
  };
  if (typeof value === "string") {
    if (!value.isWellFormed()) refuse();
  } else if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) refuseLoneSurrogates(item, [...path, index]);
  } else if (typeof value === "object" && value !== null) {
    for (const [name, item] of Object.entries(value)) {
      if (!name.isWellFormed()) refuse();
      refuseLoneSurrogates(item, [...path, name]);
    }
  }
}

/**
 * Parses a JSON text (RFC 8259). Rejects texts that JSON readers interpret differently (RFC 7493), with repeated
 * members or lone surrogates, and texts that are nested deeper than `maxDepth`.
 *
 * Most texts equal the output of `JSON.stringify`, except for whitespace. Formatting the value again proves this, and
 * then every part can be formatted again as well. Only other texts are scanned for repeated members and for the
 * locations of their parts.
 */
export function parseJson(text: string, maxDepth: number): JsonText {
  const depth = depthAtMost(text, maxDepth);
  if (depth > maxDepth) {
    throw new KildeError("limit-exceeded", `The body is nested deeper than ${maxDepth} arrays and objects`, {
      limit: "jsonDepth",
    });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new KildeError("malformed-json", error instanceof Error ? error.message : String(error));
  }
  if (MAY_HAVE_LONE_SURROGATE.test(text)) refuseLoneSurrogates(value, []);
  const written = JSON.stringify(value);
  const compact = written === text ? text : compactJson(text);
  if (written === compact) {
    return { value, depthAtMost: depth, textAt: (_path, part) => jsonText(part) };
  }

  const repeated = repeatedMember(compact);
  if (repeated !== null) {
    throw new KildeError(
      "malformed-json",
      `The object has two members named ${JSON.stringify(repeated.at(-1))}`,
      { errors: [{ pointer: jsonPointer(repeated), detail: "This member occurs twice" }] },
    );
  }
  const find = createTextFinder(compact);
  return {
    value,
    depthAtMost: depth,
    textAt(path) {
      const found = find(path);
      if (found === null) throw new Error(`no member at ${jsonPointer(path)}`);
      return prove(found);
    },
  };
}
