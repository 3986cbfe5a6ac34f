import type { Context } from "hono";

import type { Feed } from "../../feeds/feed.ts";

/**
 * Headers that tell readers of a version that it should no longer be used: since when (`Deprecation`, RFC 9745),
 * until when it will be there (`Sunset`, RFC 8594), and what to use instead (`Link`, RFC 5829).
 */
export function tellDeprecation(
  c: Context,
  basePath: string,
  { name, deprecated, sunset, successor }: Feed,
): void {
  if (deprecated !== null) c.header("Deprecation", `@${Math.floor(Date.parse(deprecated) / 1_000)}`);
  if (sunset !== null) c.header("Sunset", new Date(sunset).toUTCString());
  if (successor !== null)
    c.header("Link", `<${basePath}/feeds/${name}/v${successor}>; rel="successor-version"`, { append: true });
}
