import type { Part } from "./read.ts";
import { type Framing, POSITION_MARKS } from "./render.ts";

/*
 * The positions of the first and the last event of a page, taken from its text: the database would compute them for every
 * event, which is a twentieth of what a page costs. A page holds no line break but those around events and their fields.
 */

const LINE_BREAK = 0x0a;
const ENCODER = new TextEncoder();
/** Digits of the largest position. */
const MOST_DIGITS = 16;

const ENCODED_MARKS = Object.fromEntries(
  Object.entries(POSITION_MARKS).map(([framing, { next }]) => [framing, ENCODER.encode(next)]),
) as Readonly<Record<Framing, Uint8Array>>;

function hasAt(bytes: Uint8Array, mark: Uint8Array, start: number): boolean {
  return mark.every((byte, index) => bytes[start + index] === byte);
}

/** Index after the last mark; null where there is none. */
function endOfLastMark(part: Part, framing: Framing): number | null {
  if (typeof part === "string") {
    const { next } = POSITION_MARKS[framing];
    const start = part.lastIndexOf(next);
    return start === -1 ? null : start + next.length;
  }
  const mark = ENCODED_MARKS[framing];
  let start = part.lastIndexOf(LINE_BREAK);
  while (start !== -1 && !hasAt(part, mark, start)) {
    start = start === 0 ? -1 : part.lastIndexOf(LINE_BREAK, start - 1);
  }
  return start === -1 ? null : start + mark.length;
}

function numberAt(part: Part, start: number): number {
  const digits =
    typeof part === "string"
      ? part.slice(start, start + MOST_DIGITS)
      : String.fromCharCode(...part.subarray(start, start + MOST_DIGITS));
  const position = Number.parseInt(digits, 10);
  if (Number.isNaN(position)) throw new TypeError("a page has no position where one was written");
  return position;
}

/** Positions of the first and the last event in the text of a page, in the order of the page. */
export function positionsIn(part: Part, framing: Framing): { readonly first: number; readonly last: number } {
  const start = POSITION_MARKS[framing].first.length;
  const first = numberAt(part, start);
  const end = endOfLastMark(part, framing);
  return { first, last: end === null ? first : numberAt(part, end) };
}
