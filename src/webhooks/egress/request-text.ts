import type { EndpointDestination } from "./destination.ts";
import { EgressFailure, type Outgoing } from "./outgoing.ts";

/** Characters that would end a line of the head, or that HTTP does not permit in a value. */
// eslint-disable-next-line no-control-regex
const FORBIDDEN = /[\r\n\0]|[^\0-\xff]/;

const AGENT = "user-agent";

/** Formats a request as HTTP/1.1. */
export function requestText(
  { method, headers, body }: Outgoing,
  { host, path }: EndpointDestination,
): string {
  let fields = "";
  let stated = "";
  let statesAgent = false;
  for (const name of Object.keys(headers)) {
    const value = headers[name] ?? "";
    fields += `${name}: ${value}\r\n`;
    stated += name + value;
    statesAgent ||= name.length === AGENT.length && name.toLowerCase() === AGENT;
  }
  // Headers are checked when they are stored; this holds for those of any source.
  if (FORBIDDEN.test(stated)) throw new EgressFailure("protocol");
  const usual = statesAgent ? "Accept: */*\r\n" : "User-Agent: kilde\r\nAccept: */*\r\n";
  const head = `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${fields}${usual}`;
  return body === null ? `${head}\r\n` : `${head}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}
