const CONTROL = /[\u0000-\u001f\u007f-\u009f]/;
const DOT_SEGMENT = /(?:^|[/\\])\.{1,2}(?:[/\\]|$)/;
const encoder = new TextEncoder();

/** Matches the names of feeds, which are safe in paths, code and shells. */
export const FEED_NAME = /^[a-z0-9]+(-[a-z0-9]+)*$/;

export function utf8Bytes(text: string): number {
  return encoder.encode(text).byteLength;
}

/**
 * Whether a text is longer than `maxBytes` bytes of UTF-8. A UTF-16 unit takes at most three bytes, which settles
 * most texts without encoding them.
 */
export function exceedsBytes(text: string, maxBytes: number): boolean {
  return text.length > maxBytes || (text.length * 3 > maxBytes && utf8Bytes(text) > maxBytes);
}

/**
 * Returns the fault of a name of a stream, type or key, or null. Names travel in URLs, headers and SQL text, which
 * cannot carry these: control characters (the embedded database cuts a text at NUL), lone surrogates (UTF-8 has
 * none), U+FFFD (a path that is not UTF-8 decodes to it), and the path segments "." and "..", also after decoding.
 */
export function nameFault(name: string, maxBytes: number): string | null {
  if (name === "") return "must not be empty";
  if (exceedsBytes(name, maxBytes)) return `must be at most ${maxBytes} bytes of UTF-8`;
  if (CONTROL.test(name)) return "must not contain control characters";
  if (!name.isWellFormed()) return "must not contain lone surrogates";
  if (name.includes("\uFFFD"))
    return "must not contain U+FFFD, the replacement for bytes that cannot be decoded";
  if (name === "." || name === "..") return 'must not be "." or ".."';
  if (DOT_SEGMENT.test(name)) return 'must not have "." or ".." between slashes or backslashes';
  return null;
}

/**
 * The smallest text greater than every text with this prefix, in code point order (the order of UTF-8 bytes and of
 * SQLite's BINARY collation); null when there is none.
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
