import type { PagePart } from "./read.ts";
import { type Framing, POSITION_MARKS } from "./render.ts";

/*
 * The positions of the first and the last event of a page, taken from its text: the database would compute them for every
 * event, which is a twentieth of what a page costs. A page holds no line break but those around events and their fields.
 */

const LINE_BREAK = 0x0a;
const ENCODER = new TextEncoder();

const ENCODED_MARKS = Object.fromEntries(
  Object.entries(POSITION_MARKS).map(([framing, { next }]) => [framing, ENCODER.encode(next)]),
) as Readonly<Record<Framing, Uint8Array>>;

function hasAt(bytes: Uint8Array, mark: Uint8Array, start: number): boolean {
  for (let index = 0; index < mark.length; index += 1) {
    if (bytes[start + index] !== mark[index]) return false;
  }
  return true;
}

/** Index after the last mark; null where there is none. */
function endOfLastMark(part: PagePart, framing: Framing): number | null {
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

const [DIGIT_0, DIGIT_9] = [0x30, 0x39];

/** Digit by digit: each page has two, and making a string of bytes costs more than all the rest here. */
function numberAt(part: PagePart, start: number): number {
  let position = 0;
  let index = start;
  for (; index < part.length; index += 1) {
    const digit = typeof part === "string" ? part.charCodeAt(index) : (part[index] ?? 0);
    if (digit < DIGIT_0 || digit > DIGIT_9) break;
    position = position * 10 + (digit - DIGIT_0);
  }
  if (index === start) throw new TypeError("a page has no position where one was written");
  return position;
}

/** Positions of the first and the last event in the text of a page, in the order of the page. */
export function positionsIn(
  part: PagePart,
  framing: Framing,
): { readonly first: number; readonly last: number } {
  const start = POSITION_MARKS[framing].first.length;
  const first = numberAt(part, start);
  const end = endOfLastMark(part, framing);
  return { first, last: end === null ? first : numberAt(part, end) };
}
