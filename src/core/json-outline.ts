import { endOfString, isClosing, QUOTE } from "./json-scan.ts";
import { endOfValue, nameAt } from "./json-spans.ts";

/**
 * Splits a large JSON text without parsing it, so that its parts can be parsed one by one. The text may be invalid:
 * any fault is in one of the parts, or in the text that remains without them.
 */

const [COMMA, COLON, OPEN_OBJECT, OPEN_ARRAY, SPACE] = [0x2c, 0x3a, 0x7b, 0x5b, 0x20];

/** A list within a text, and the text without the elements of the list. */
export interface Outline {
  readonly before: string;
  readonly after: string;
  /** Texts of the elements, which may be invalid. */
  readonly elements: readonly string[];
  /** The list has more elements than requested. */
  readonly hasMore: boolean;
}

function skipSpace(text: string, start: number): number {
  let index = start;
  while (index < text.length && text.charCodeAt(index) <= SPACE) index += 1;
  return index;
}

function isNamed(text: string, start: number, end: number, name: string): boolean {
  try {
    return nameAt(text, start, end) === name;
  } catch (error) {
    // A name with an invalid escape.
    if (error instanceof SyntaxError) return false;
    throw error;
  }
}

/** Index of the value of a member of the object at the start of a text; null when the object has no such member. */
function memberStart(text: string, name: string): number | null {
  let index = skipSpace(text, 0);
  if (text.charCodeAt(index) !== OPEN_OBJECT) return null;
  do {
    index = skipSpace(text, index + 1);
    if (text.charCodeAt(index) !== QUOTE) return null;
    const end = endOfString(text, index);
    const colon = skipSpace(text, end + 1);
    if (text.charCodeAt(colon) !== COLON) return null;
    const start = skipSpace(text, colon + 1);
    if (isNamed(text, index, end, name)) return start;
    index = endOfValue(text, start);
  } while (text.charCodeAt(index) === COMMA);
  return null;
}

/**
 * Extracts the elements of a list: of the member with that name, or of the text itself (`null`). Null when there is
 * no such list.
 */
export function outlineOf(text: string, name: string | null, mostElements: number): Outline | null {
  const open = name === null ? skipSpace(text, 0) : memberStart(text, name);
  if (open === null || text.charCodeAt(open) !== OPEN_ARRAY) return null;
  const elements: string[] = [];
  const first = skipSpace(text, open + 1);
  let end = first;
  let hasMore = false;
  for (let start = first; !(start === first && isClosing(text.charCodeAt(start)));) {
    if (elements.length === mostElements) {
      hasMore = true;
      break;
    }
    end = endOfValue(text, start);
    elements.push(text.slice(start, end));
    if (text.charCodeAt(end) !== COMMA) break;
    start = end + 1;
  }
  return { before: text.slice(0, open + 1), after: text.slice(end), elements, hasMore };
}

/** Whether a JSON text has more than `most` characters, not counting the whitespace between its tokens. */
export function isLongerThan(text: string, most: number): boolean {
  if (text.length <= most) return false;
  let length = 0;
  for (let index = 0; index < text.length && length <= most; index += 1) {
    const character = text.charCodeAt(index);
    if (character === QUOTE) {
      const end = endOfString(text, index);
      length += end - index + 1;
      index = end;
    } else if (character > SPACE) {
      length += 1;
    }
  }
  return length > most;
}
