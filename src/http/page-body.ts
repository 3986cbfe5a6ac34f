import { utf8Bytes } from "../core/names.ts";
import type { Part } from "../log/read.ts";
import { type Framing, SEPARATORS } from "../log/render.ts";

/** What stands around and between the events of a page. */
function framed(parts: readonly Part[], framing: Framing): Part[] {
  const joined = parts.flatMap((part, index) => (index === 0 ? [part] : [SEPARATORS[framing], part]));
  if (framing === "array") return ["[", ...joined, "]"];
  return joined.length === 0 ? [] : [...joined, "\n"];
}

function isText(part: Part): part is string {
  return typeof part === "string";
}

/** The body of a page, and its bytes. Bytes go into a Blob, which an answer sends as it is instead of copying it. */
export function pageBody(
  parts: readonly Part[],
  framing: Framing,
): { readonly body: string | Blob; readonly bytes: number } {
  const whole = framed(parts, framing);
  const bytes = whole.reduce((sum, part) => sum + (isText(part) ? utf8Bytes(part) : part.byteLength), 0);
  return { body: whole.every(isText) ? whole.join("") : new Blob(whole), bytes };
}
