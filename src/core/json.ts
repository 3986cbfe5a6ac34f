import { findNodeAtLocation, type Node, parseTree } from "jsonc-parser";

import { KildeError } from "./errors.ts";
import { jsonPointer } from "./json-pointer.ts";

type Path = readonly (string | number)[];

/** A JSON text that was parsed, and still knows how its parts were written. */
export interface JsonText {
  readonly value: unknown;
  /** It is nested no deeper than so many arrays and objects. */
  readonly depthAtMost: number;
  /**
   * The text of the member at a path whose parsed value is `value`, as it was written: numbers that JavaScript
   * cannot hold, escapes and spaces included.
   */
  textAt(path: Path, value: unknown): string;
}

const [QUOTE, BACKSLASH] = [0x22, 0x5c];
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [0x7b, 0x7d, 0x5b, 0x5d];

/** Where the string that begins at a quote ends: at the next quote that no odd number of backslashes escapes. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let run = end;
    while (text.charCodeAt(run - 1) === BACKSLASH) run -= 1;
    if ((end - run) % 2 === 0) return end;
  }
  return text.length;
}

/** Deepest nesting of arrays and objects in a JSON text; without parsing it, so that no depth is too deep. */
function jsonDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charCodeAt(index);
    if (character === QUOTE) {
      index = endOfString(text, index);
    } else if (character === OPEN_OBJECT || character === OPEN_ARRAY) {
      depth += 1;
      if (depth > deepest) deepest = depth;
    } else if (character === CLOSE_OBJECT || character === CLOSE_ARRAY) {
      depth -= 1;
    }
  }
  return deepest;
}

/** What a JSON text is nested at most, looked into only if its length leaves it open whether that is beyond a limit. */
export function depthAtMost(text: string, limit: number): number {
  const byLength = Math.ceil(text.length / 2);
  return byLength > limit ? jsonDepth(text) : byLength;
}

function refuseDuplicates(node: Node, path: (string | number)[]): void {
  if (node.type === "array") {
    for (const [index, child] of (node.children ?? []).entries()) refuseDuplicates(child, [...path, index]);
    return;
  }
  if (node.type !== "object") return;
  const names = new Set<string>();
  for (const property of node.children ?? []) {
    const [key, value] = property.children ?? [];
    const name = String(key?.value);
    if (names.has(name)) {
      const pointer = jsonPointer([...path, name]);
      throw new KildeError("malformed-json", `The object has two members named ${JSON.stringify(name)}`, {
        errors: [{ pointer, detail: "This member occurs twice" }],
      });
    }
    names.add(name);
    if (value !== undefined) refuseDuplicates(value, [...path, name]);
  }
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
 * Parses a JSON text (RFC 8259), refusing what JSON readers disagree about (RFC 7493): members that occur twice
 * and lone surrogates; and what is nested deeper than `maxDepth`.
 *
 * Most texts are as `JSON.stringify` writes them. Writing the value again shows it, and then every part can be
 * written again as well; only other texts are parsed a second time, for where their parts stand.
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
  if (JSON.stringify(value) === text) {
    return { value, depthAtMost: depth, textAt: (_path, part) => JSON.stringify(part) };
  }

  const root = parseTree(text);
  if (root === undefined) throw new KildeError("malformed-json", "The text is not JSON");
  refuseDuplicates(root, []);
  return {
    value,
    depthAtMost: depth,
    textAt(path) {
      const node = findNodeAtLocation(root, [...path]);
      if (node === undefined) throw new Error(`no member at ${jsonPointer(path)}`);
      return text.slice(node.offset, node.offset + node.length);
    },
  };
}
