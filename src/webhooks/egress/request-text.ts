import type { EndpointDestination } from "./destination.ts";
import { EgressFailure, type Outgoing } from "./outgoing.ts";

/** Characters that would end a line of the head, or that HTTP does not permit in a value. */
// eslint-disable-next-line no-control-regex
const FORBIDDEN = /[\r\n\0]|[^\0-\xff]/;

const USUAL = [
  ["User-Agent", "kilde"],
  ["Accept", "*/*"],
] as const;

/** Formats a request as HTTP/1.1. */
export function requestText(
  { method, headers, body }: Outgoing,
  { host, path }: EndpointDestination,
): string {
  let text = `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n`;
  const stated = Object.keys(headers);
  for (const name of stated) {
    const value = headers[name] ?? "";
    // Headers are checked when they are stored; this holds for those of any source.
    if (FORBIDDEN.test(value) || FORBIDDEN.test(name)) throw new EgressFailure("protocol");
    text += `${name}: ${value}\r\n`;
  }
  for (const [name, value] of USUAL)
    if (!stated.some((other) => other.length === name.length && other.toLowerCase() === name.toLowerCase()))
      text += `${name}: ${value}\r\n`;
  return body === null ? `${text}\r\n` : `${text}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}
