import script from "swagger-ui-dist/swagger-ui-bundle.js" with { type: "file" };
import style from "swagger-ui-dist/swagger-ui.css" with { type: "file" };

import type { Docs, DocsFile } from "../../http/service/docs.ts";

function file(path: string, mediaType: string): DocsFile {
  return { mediaType, body: () => Bun.file(path).stream() };
}

/** Swagger UI's files, which the binary carries with it. */
export const docsFiles: Docs = {
  "swagger-ui-bundle.js": file(script, "text/javascript"),
  "swagger-ui.css": file(style, "text/css"),
};
