import type { Context } from "hono";

import { KildeError } from "../../core/errors.ts";

/** A file of the guide or of the API browser. */
export interface DocsFile {
  readonly mediaType: string;
  body(): ReadableStream<Uint8Array> | string;
}

/** The files below /docs/. */
export interface Docs {
  /** Returns the file with a path below /docs/, such as `start/first-stream`; the guide's home page has the empty path. */
  find(path: string): Promise<DocsFile | undefined>;
}

/** Paths of files, each with parameters that the guide's folders fit. */
export const DOCS_PATHS = ["/docs", "/docs/:page", "/docs/:section/:page"] as const;

/** Content security policy of a page. Swagger UI has icons in its style sheet, hence `data:`. */
const POLICY =
  "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; style-src 'self'";
/** Swagger UI and images set styles inline. */
const INLINE_STYLE_POLICY = `${POLICY} 'unsafe-inline'`;

/** `GET /docs…`: a page of the guide, or a file of the site. */
export async function getDocs(c: Context, docs: Docs): Promise<Response> {
  const { section, page = "" } = c.req.param() as Readonly<Record<string, string | undefined>>;
  const path = section === undefined ? page : `${section}/${page}`;
  const file = await docs.find(path);
  if (file === undefined) throw new KildeError("not-found", `There is nothing at ${c.req.path}`);
  const hasInlineStyle = path === "api" || file.mediaType === "image/svg+xml";
  const isPage = file.mediaType.startsWith("text/html");
  return c.body(file.body(), 200, {
    "Content-Type": file.mediaType,
    "Content-Security-Policy": hasInlineStyle ? INLINE_STYLE_POLICY : POLICY,
    // Pages name the version of their style and scripts, so caches may keep those.
    "Cache-Control": isPage ? "no-cache" : "public, max-age=86400",
  });
}
