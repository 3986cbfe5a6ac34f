import type { Context } from "hono";

import type { AppDeps } from "./deps.ts";

/** The path of this request with other query parameters. */
export function hereWith(
  c: Context,
  { basePath }: AppDeps,
  parameters: Readonly<Record<string, string | number | undefined>>,
): string {
  const url = new URL(c.req.url);
  for (const [name, value] of Object.entries(parameters)) {
    if (value === undefined) url.searchParams.delete(name);
    else url.searchParams.set(name, String(value));
  }
  return basePath + url.pathname + url.search;
}
