import type { Attributes } from "@opentelemetry/api";

import { parseUrl } from "./parse-url.ts";

/** Attributes of the server at a URL, for a span. Its path is none of them: it may have a secret. */
export function serverAttributes(url: string): Attributes {
  const parsed = parseUrl(url);
  if (parsed === null) return {};
  const { hostname, port, protocol } = parsed;
  const standard = protocol === "https:" ? 443 : 80;
  return { "server.address": hostname, "server.port": port === "" ? standard : Number(port) };
}
