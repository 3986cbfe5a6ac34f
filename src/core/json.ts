import { KildeError } from "./errors.ts";
import { jsonPointer } from "./json-pointer.ts";
import { compactJson, depthAtMost } from "./json-scan.ts";
import { createTextFinder, repeatedMember } from "./json-spans.ts";

type Path = readonly (string | number)[];

declare const proved: unique symbol;

/**
 * A text that is JSON on one line, as it is stored: `JSON.stringify` wrote it, or it was parsed on its own. Only this
 * module makes such texts, so that nothing else can be stored as data.
 */
export type ProvedJson = string & { readonly [proved]: true };

/** A value's JSON text. Throws a TypeError for what JSON has no text for, such as undefined. */
export function jsonText(value: unknown): ProvedJson {
  // Without a text for some values, whatever its declaration says.
  const text = JSON.stringify(value) as ProvedJson | undefined;
  if (text === undefined) throw new TypeError("the value has no JSON text");
  return text;
}

/** The text itself, once it was parsed: an error here keeps a text that is no JSON from being stored. */
function prove(compact: string): ProvedJson {
  JSON.parse(compact);
  return compact as ProvedJson;
}

/** A JSON text that was parsed, and from which the text of each part can be taken. */
export interface JsonText {
  readonly value: unknown;
  /** It is nested no deeper than so many arrays and objects. */
  readonly depthAtMost: number;
  /**
   * The text of the member at a path whose parsed value is `value`, on one line: numbers and strings as they were
   * written, also those that JavaScript writes in another way, and no whitespace between tokens.
   */
  textAt(path: Path, value: unknown): ProvedJson;
}

/** An escaped surrogate may be half of a pair: only then is it worth parsing the text to find out. */
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
 * Parses a JSON text (RFC 8259), and refuses texts that JSON readers disagree about (RFC 7493), with members that occur
 * twice or lone surrogates, and texts that are nested deeper than `maxDepth`.
 *
 * Most texts are as `JSON.stringify` writes them, but for whitespace. Writing the value again proves it, and then every
 * part can be written again as well; only other texts are scanned for repeated members and for where their parts are.
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
