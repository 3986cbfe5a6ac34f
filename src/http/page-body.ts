import { utf8Bytes } from "../core/names.ts";
import type { Part } from "../log/read.ts";
import type { Framing } from "../log/render.ts";

export interface PageBody {
  readonly body: string | Uint8Array<ArrayBuffer> | Blob;
  readonly bytes: number;
}

const ENCODER = new TextEncoder();
const [OPENING = 0, CLOSING = 0] = ENCODER.encode("[]");

function isText(part: Part): part is string {
  return typeof part === "string";
}

/**
 * The body of a page, which takes its parts over. In an array a line break before the first event becomes the opening
 * bracket, and a comma after the last one the closing one: so bytes are sent as they left the database, without a copy.
 */
export function pageBody(parts: readonly Part[], framing: Framing): PageBody {
  const isArray = framing === "array";
  if (parts.every(isText)) {
    const text = parts.join("");
    const body = isArray ? `[${text.slice(1, -1)}]` : text;
    return { body, bytes: utf8Bytes(body) };
  }
  const whole = parts.map((part) => (isText(part) ? ENCODER.encode(part) : part));
  const [first, last] = [whole[0], whole.at(-1)];
  if (isArray && first !== undefined && last !== undefined) {
    first[0] = OPENING;
    last[last.length - 1] = CLOSING;
  }
  const bytes = whole.reduce((sum, { length }) => sum + length, 0);
  return { body: first !== undefined && whole.length === 1 ? first : new Blob(whole), bytes };
}
