/** Scans over valid JSON text: linear, iterative, and without a tree. `parseJson` has validated the text. */

export const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const [OPEN_OBJECT, CLOSE_OBJECT, OPEN_ARRAY, CLOSE_ARRAY] = [0x7b, 0x7d, 0x5b, 0x5d];
const SPACE = 0x20;
/** Number of pieces to join at a time, so that a text of many short tokens needs no list of all of them. */
const JOINED_PIECES = 4_096;

/** Index of the quote that ends the string that begins at `start`: the next one that no odd run of backslashes escapes. */
export function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let run = end;
    while (text.charCodeAt(run - 1) === BACKSLASH) run -= 1;
    if ((end - run) % 2 === 0) return end;
  }
  return text.length;
}

export function isOpening(character: number): boolean {
  return character === OPEN_OBJECT || character === OPEN_ARRAY;
}

export function isClosing(character: number): boolean {
  return character === CLOSE_OBJECT || character === CLOSE_ARRAY;
}

/** Deepest nesting of arrays and objects in a JSON text, which need not be valid. */
function jsonDepth(text: string): number {
  let depth = 0;
  let deepest = 0;
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charCodeAt(index);
    if (character === QUOTE) {
      index = endOfString(text, index);
    } else if (isOpening(character)) {
      depth += 1;
      if (depth > deepest) deepest = depth;
    } else if (isClosing(character)) {
      depth -= 1;
    }
  }
  return deepest;
}

/** An upper bound of a JSON text's nesting; exact if the text's length alone would allow more than `limit`. */
export function depthAtMost(text: string, limit: number): number {
  const byLength = Math.ceil(text.length / 2);
  return byLength > limit ? jsonDepth(text) : byLength;
}

/**
 * The text of valid JSON without the whitespace between its tokens: one line, and the same value. Numbers and strings
 * stay as they are written.
 */
export function compactJson(text: string): string {
  let compact = "";
  let pieces: string[] = [];
  let start = 0;
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charCodeAt(index);
    if (character === QUOTE) {
      index = endOfString(text, index);
    } else if (character <= SPACE) {
      if (index > start) pieces.push(text.slice(start, index));
      start = index + 1;
      if (pieces.length === JOINED_PIECES) {
        compact += pieces.join("");
        pieces = [];
      }
    }
  }
  return start === 0 ? text : compact + pieces.join("") + text.slice(start);
}
