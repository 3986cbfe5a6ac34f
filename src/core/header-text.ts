/**
 * Encodes any text for a header, which carries only ASCII. Printable ASCII is written unchanged, any other text as a
 * display string (RFC 9651, 3.3.8): `%"caf%c3%a9"`.
 */

const PRINTABLE_ASCII = /^[\u0020-\u007e]*$/;
/** Text without spaces at its ends, which HTTP removes, that does not look like a display string. */
const PLAIN = /^(?!%")[!-~](?:[ -~]*[!-~])?$/;
const DISPLAY_STRING = /^%"((?:[\u0020!#$&-~]|%[0-9a-f]{2})*)"$/;
const ESCAPED_BYTE = /[^\u0020!#$&-~]/;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The fault of a header's value, for a problem's detail. */
export type HeaderFault =
  | "must be ASCII; write any other text as a display string (RFC 9651)"
  | "is not a display string (RFC 9651)";

/** Encodes a text as a header's value. Throws a TypeError for a text with lone surrogates. */
export function toHeaderText(text: string): string {
  if (!text.isWellFormed()) throw new TypeError(`${JSON.stringify(text)} is not well-formed Unicode`);
  if (PLAIN.test(text)) return text;
  const bytes = Array.from(encoder.encode(text), (byte) => {
    const character = String.fromCharCode(byte);
    return ESCAPED_BYTE.test(character) ? `%${byte.toString(16).padStart(2, "0")}` : character;
  });
  return `%"${bytes.join("")}"`;
}

/** Decodes a header's value. */
export function fromHeaderText(value: string): { readonly text: string } | { readonly fault: HeaderFault } {
  if (!PRINTABLE_ASCII.test(value)) {
    return { fault: "must be ASCII; write any other text as a display string (RFC 9651)" };
  }
  if (!value.startsWith('%"')) return { text: value };
  const fault = { fault: "is not a display string (RFC 9651)" } as const;
  const encoded = DISPLAY_STRING.exec(value)?.[1];
  if (encoded === undefined) return fault;
  const bytes = Uint8Array.from(encoded.match(/%..|./g) ?? [], (unit) =>
    unit.length === 3 ? Number.parseInt(unit.slice(1), 16) : unit.charCodeAt(0),
  );
  try {
    return { text: decoder.decode(bytes) };
  } catch {
    return fault;
  }
}
