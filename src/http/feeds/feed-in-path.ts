import type { Context } from "hono";

import { feedPath } from "../../feeds/define/compile.ts";

/** The version of a feed that a path names; it may not exist. */
export interface NamedFeed {
  readonly name: string;
  readonly version: number;
  /** Path of its log, with an encoded name: a name with a slash, which no feed has, is no path of another feed. */
  readonly path: string;
}

/** Returns the version of a feed that the path of a request names. */
export function versionOf(c: Context): NamedFeed {
  const name = c.req.param("feed") ?? "";
  const version = Number((c.req.param("version") ?? "").slice(1));
  return { name, version, path: feedPath(encodeURIComponent(name), version) };
}
