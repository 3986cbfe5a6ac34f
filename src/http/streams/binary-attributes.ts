import { KildeError } from "../../core/errors.ts";

/*
 * The attributes of a CloudEvent in binary mode (HTTP binding, 3.1.3): each is a header, whose value is unquoted and then
 * percent-decoded, once.
 */

const PREFIX = "ce-";
const QUOTED = /^"(?:[^"\\]|\\.)*"$/;
const PRINTABLE_ASCII = /^[\t\u0020-\u007e]*$/;
/** Attributes that no header may state, because the content type and the body state them. */
const IN_THE_MESSAGE = new Set(["datacontenttype", "data", "data_base64"]);

function refuse(header: string, detail: string): never {
  throw new KildeError("invalid-parameter", `${header}: ${detail}`, {
    errors: [{ parameter: header, detail }],
  });
}

function decoded(header: string, value: string): string {
  if (!PRINTABLE_ASCII.test(value)) refuse(header, "must be ASCII; percent-encode other characters as UTF-8");
  const text = QUOTED.test(value) ? value.slice(1, -1).replaceAll(/\\(.)/g, "$1") : value;
  try {
    return decodeURIComponent(text);
  } catch {
    return refuse(header, "is not percent-encoded UTF-8");
  }
}

/** Reads the attributes by name. Throws a KildeError `invalid-parameter` that names the header. */
export function binaryAttributes(headers: Headers): Readonly<Record<string, string>> {
  const attributes = new Map<string, string>();
  for (const [header, value] of headers) {
    if (!header.startsWith(PREFIX)) continue;
    const name = header.slice(PREFIX.length);
    if (IN_THE_MESSAGE.has(name)) refuse(header, "belongs in the message, and not in a header");
    attributes.set(name, decoded(header, value));
  }
  const contentType = headers.get("content-type");
  if (contentType !== null) attributes.set("datacontenttype", contentType);
  return Object.fromEntries(attributes);
}
