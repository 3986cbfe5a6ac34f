import script from "swagger-ui-dist/swagger-ui-bundle.js" with { type: "file" };
import style from "swagger-ui-dist/swagger-ui.css" with { type: "file" };

import type { Docs } from "../../http/service/docs.ts";
import type { StaticFile } from "../../http/service/static-file.ts";

function file(path: string, mediaType: string): StaticFile {
  return { mediaType, bytes: () => Bun.file(path).size, body: () => Bun.file(path).stream() };
}

/** Swagger UI's files, which the binary includes. */
const API_BROWSER: ReadonlyMap<string, StaticFile> = new Map([
  ["swagger-ui-bundle.js", file(script, "text/javascript")],
  ["swagger-ui.css", file(style, "text/css")],
]);

/** The guide, which is loaded with the first request for a page, and the API browser. */
let site: Promise<ReadonlyMap<string, StaticFile>> | null = null;

async function loadSite(): Promise<ReadonlyMap<string, StaticFile>> {
  const { loadDocsSite } = await import("./docs-site.ts");
  return loadDocsSite();
}

export const docsFiles: Docs = {
  async find(path) {
    const found = API_BROWSER.get(path);
    if (found !== undefined) return found;
    site ??= loadSite();
    return (await site).get(path);
  },
};
