import type { Context } from "hono";

import type { Feed } from "../../feeds/feed.ts";

/**
 * Sets the headers of a deprecated version: when it was deprecated (`Deprecation`, RFC 9745), when it will be removed
 * (`Sunset`, RFC 8594), and its successor (`Link`, RFC 5829).
 */
export function setDeprecation(
  c: Context,
  basePath: string,
  { name, deprecated, sunset, successor }: Feed,
): void {
  if (deprecated !== null) c.header("Deprecation", `@${Math.floor(Date.parse(deprecated) / 1_000)}`);
  if (sunset !== null) c.header("Sunset", new Date(sunset).toUTCString());
  if (successor !== null)
    c.header("Link", `<${basePath}/feeds/${name}/v${successor}>; rel="successor-version"`, { append: true });
}
