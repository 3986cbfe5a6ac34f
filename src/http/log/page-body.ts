import type { PagePart } from "../../log/read/read.ts";
import type { Framing } from "../../log/read/render.ts";

export interface PageBody {
  readonly parts: readonly Uint8Array<ArrayBuffer>[];
  readonly bytes: number;
}

const ENCODER = new TextEncoder();
const EMPTY_ARRAY = ENCODER.encode("[]");
const [OPENING = 0, CLOSING = 0] = EMPTY_ARRAY;

/**
 * Returns the body of a page, whose parts it takes over. In an array it turns the line break before the first event
 * into the opening bracket and the comma after the last one into the closing bracket, so bytes leave as the database
 * returned them, without a copy.
 */
export function pageBody(parts: readonly PagePart[], framing: Framing): PageBody {
  const whole = parts.map((part) => (typeof part === "string" ? ENCODER.encode(part) : part));
  const [first, last] = [whole[0], whole.at(-1)];
  if (framing === "array") {
    if (first === undefined || last === undefined) {
      return { parts: [EMPTY_ARRAY.slice()], bytes: EMPTY_ARRAY.length };
    }
    first[0] = OPENING;
    last[last.length - 1] = CLOSING;
  }
  return { parts: whole, bytes: whole.reduce((sum, { length }) => sum + length, 0) };
}
