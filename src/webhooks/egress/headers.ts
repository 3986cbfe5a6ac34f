/** Most headers of a subscription, and most characters of a header's name and value together. */
export const MOST_HEADERS = 32;
export const MOST_HEADER_LENGTH = 4_096;

/** RFC 9110 §5.6.2. */
export const HEADER_NAME_PATTERN = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";
const TOKEN = new RegExp(HEADER_NAME_PATTERN);
/** Visible ASCII, with spaces in between. A line break would start another header or request. */
export const HEADER_VALUE_PATTERN = "^([!-~]([ \\t!-~]*[!-~])?)?$";
const VALUE = new RegExp(HEADER_VALUE_PATTERN);

/** The sender sets the headers that describe the request, its body and its connection. */
const RESERVED = new Set([
  "accept-encoding",
  "connection",
  "content-encoding",
  "content-length",
  "content-type",
  "expect",
  "host",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);
const RESERVED_PREFIXES = ["webhook-", "proxy-"];

function headerFault(name: string, value: string): string | null {
  const shown = JSON.stringify(name);
  if (!TOKEN.test(name)) return `${shown} is not a header name`;
  const lower = name.toLowerCase();
  if (RESERVED.has(lower) || RESERVED_PREFIXES.some((prefix) => lower.startsWith(prefix))) {
    return `${shown} is set by the sender`;
  }
  if (!VALUE.test(value)) {
    return `the value of ${shown} must be ASCII, without control characters, or spaces at its ends`;
  }
  if (name.length + value.length > MOST_HEADER_LENGTH) {
    return `${shown} must be at most ${MOST_HEADER_LENGTH} characters, with its value`;
  }
  return null;
}

/** Describes the fault of a subscription's headers; null for valid ones. Values are not repeated. */
export function checkHeaders(headers: Readonly<Record<string, string>>): string | null {
  const entries = Object.entries(headers);
  if (entries.length > MOST_HEADERS) return `there must be at most ${MOST_HEADERS}`;
  const names = new Set(entries.map(([name]) => name.toLowerCase()));
  if (names.size < entries.length) return "a name occurs twice, in different case";
  for (const [name, value] of entries) {
    const fault = headerFault(name, value);
    if (fault !== null) return fault;
  }
  return null;
}
