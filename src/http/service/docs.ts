import type { Context } from "hono";

import { isAdmittedFreely } from "../../access/principal.ts";
import { KildeError } from "../../core/errors.ts";
import { principalOf } from "../pipeline/authorization.ts";
import type { AppDeps } from "../deps.ts";
import type { Route } from "../operation.ts";
import { fileAnswer, type StaticFile } from "./static-file.ts";

/** The files below /docs/. */
export interface Docs {
  /** Returns the file with a path below /docs/, such as `start/first-stream`; the guide's home page has the empty path. */
  find(path: string): Promise<StaticFile | undefined>;
}

/** Content security policy of a page. Swagger UI has icons in its style sheet, hence `data:`. */
const POLICY =
  "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'self'";
/** Swagger UI and images set styles inline. */
const INLINE_STYLE_POLICY = `${POLICY} 'unsafe-inline'`;

/** `GET /docs…`: a page of the guide, or a file of the site. */
async function getDocs(c: Context, { docs }: AppDeps): Promise<Response> {
  const { section, page = "" } = c.req.param() as Readonly<Record<string, string | undefined>>;
  const path = section === undefined ? page : `${section}/${page}`;
  const file = await docs?.find(path);
  if (file === undefined) throw new KildeError("not-found", `There is nothing at ${c.req.path}`);
  const hasInlineStyle = path === "api" || file.mediaType === "image/svg+xml";
  const scope = isAdmittedFreely(principalOf(c)) ? "public" : "private";
  const isPage = file.mediaType.startsWith("text/html");
  return fileAnswer(c, file, {
    "Content-Security-Policy": hasInlineStyle ? INLINE_STYLE_POLICY : POLICY,
    // Pages name the version of their style and scripts, so caches may keep those.
    "Cache-Control": isPage ? "no-cache" : `${scope}, max-age=86400`,
  });
}

const page = {
  method: "get",
  compresses: true,
  access: "known",
  isServed: ({ docs }) => docs !== null,
  handle: getDocs,
} as const satisfies Partial<Route>;

/** The guide and the API browser. The depths of their paths are those of the guide's folders. */
export const docsRoutes: readonly Route[] = [
  { ...page, path: "/docs", link: "docs", summary: "Read the guide" },
  { ...page, path: "/docs/{page}", summary: "Browse the API (`api`), or read a page of the guide" },
  { ...page, path: "/docs/{section}/{page}", summary: "Read a page of a section of the guide" },
  {
    method: "get",
    path: "/docs/",
    summary: "Redirect to the guide",
    access: page.access,
    isServed: page.isServed,
    handle: (c, { basePath }) => c.redirect(`${basePath}/docs`, 308),
  },
];
