const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const encoder = new TextEncoder();

export function utf8Bytes(text: string): number {
  return encoder.encode(text).byteLength;
}

/** Whether a text is longer than this many bytes of UTF-8; a character takes at most three per UTF-16 unit. */
export function exceedsBytes(text: string, maxBytes: number): boolean {
  return text.length > maxBytes || (text.length * 3 > maxBytes && utf8Bytes(text) > maxBytes);
}

/**
 * Says what is wrong with a name of a stream, type or key, or returns null.
 * Names travel in URLs, headers and SQL text: control characters (NUL is cut off by the embedded database),
 * lone surrogates (not encodable as UTF-8) and the path segments "." and ".." cannot.
 */
export function nameFault(name: string, maxBytes: number): string | null {
  if (name === "") return "must not be empty";
  if (exceedsBytes(name, maxBytes)) return `must be at most ${maxBytes} bytes of UTF-8`;
  if (CONTROL.test(name)) return "must not contain control characters";
  if (!name.isWellFormed()) return "must not contain lone surrogates";
  if (name === "." || name === "..") return 'must not be "." or ".."';
  return null;
}

/**
 * The least text greater than every text with this prefix, in code point order (which is the order of UTF-8
 * bytes, SQLite's BINARY collation); null when there is none.
 */
export function prefixEnd(prefix: string): string | null {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0);
  for (let last = points.pop(); last !== undefined; last = points.pop()) {
    if (last === 0x10_ff_ff) continue;
    const next = last === 0xd7_ff ? 0xe0_00 : last + 1;
    return String.fromCodePoint(...points, next);
  }
  return null;
}
