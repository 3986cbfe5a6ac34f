import type { Context } from "hono";

import { FEED_NAME } from "../../core/names.ts";
import { feedPath } from "../../feeds/define/compile.ts";

/** The version of a feed that a path names; it may not exist. */
export interface NamedFeed {
  readonly name: string;
  readonly version: number;
  /** The path that a grant has to cover: that of its log, or of all feeds for a name or version that no feed can have. */
  readonly path: string;
}

/** Returns the version of a feed that the path of a request names. */
export function versionOf(c: Context): NamedFeed {
  const name = c.req.param("feed") ?? "";
  const version = Number((c.req.param("version") ?? "").slice(1));
  const isPossible = FEED_NAME.test(name) && Number.isSafeInteger(version) && version > 0;
  return { name, version, path: isPossible ? feedPath(name, version) : "/feeds" };
}
