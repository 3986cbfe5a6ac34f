import { readFileSync } from "node:fs";
import { join } from "node:path";

import swaggerUi from "swagger-ui-dist/package.json" with { type: "json" };

import { parseContents } from "./contents.ts";
import { layOut } from "./layout.ts";
import { type DocsPage, renderPage } from "./page.ts";
import { searchIndex } from "./search-index.ts";
import { HOME, pageName } from "./site-link.ts";

/** The guide, in Markdown. */
export const PAGES_FOLDER = join(import.meta.dir, "..");

/** A file of the site. */
export interface SiteFile {
  readonly mediaType: string;
  readonly content: string | Uint8Array<ArrayBuffer>;
}

/** The page of Swagger UI, which browses /openapi.json and sends its examples. `version`: that of its own files. */
function apiPage(version: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>API browser · Kilde</title>
<link rel="icon" href="icon.svg">
<link rel="stylesheet" href="swagger-ui.css?v=${swaggerUi.version}">
<link rel="stylesheet" href="api.css?v=${version}">
</head>
<body>
<header><a class="name" href="../docs">Kilde</a> <a href="../docs">Guide</a></header>
<div id="api"></div>
<script src="swagger-ui-bundle.js?v=${swaggerUi.version}"></script>
<script src="api.js?v=${version}"></script>
</body>
</html>
`;
}

/** Part of the addresses of files, so that caches may keep the files until their texts change. */
function versionOf(texts: string): string {
  return Bun.hash(texts).toString(36);
}

async function bundled(name: string): Promise<string> {
  const { outputs } = await Bun.build({
    entrypoints: [join(import.meta.dir, "browser", name)],
    target: "browser",
    minify: true,
  });
  return outputs[0]?.text() ?? "";
}

/** An image, by its extension: a drawing or a picture. */
function imageFile(source: string): SiteFile {
  if (source.endsWith(".svg")) return { mediaType: "image/svg+xml", content: read(source) };
  return { mediaType: "image/webp", content: new Uint8Array(readFileSync(join(PAGES_FOLDER, source))) };
}

function filesOf(pattern: string): string[] {
  return [...new Bun.Glob(pattern).scanSync(PAGES_FOLDER)].toSorted();
}

function read(file: string): string {
  return readFileSync(join(PAGES_FOLDER, file), "utf8");
}

/** Renders every Markdown page below `src/docs`. */
export function renderPages(): readonly DocsPage[] {
  return filesOf("**/*.md").map((file) => renderPage(file, read(file)));
}

/** The files of the site, by their path below `/docs/`; the home page's is empty. */
export async function renderSite(): Promise<ReadonlyMap<string, SiteFile>> {
  const pages = renderPages();
  const contents = parseContents(read(HOME));
  const titles = new Map(pages.map(({ file, title }) => [file, title]));
  const index = searchIndex(pages);
  const style = read("site/guide.css");
  const script = await bundled("start-search.ts");
  const assetVersion = versionOf(index + style + script);
  const [apiStyle, apiScript] = [read("site/api.css"), read("site/browser/api.js")];
  return new Map<string, SiteFile>([
    ...pages.map((page): [string, SiteFile] => [
      pageName(page.file),
      { mediaType: "text/html; charset=utf-8", content: layOut(page, { contents, titles, assetVersion }) },
    ]),
    ...pages
      .flatMap(({ images }) => images)
      .map(({ source, name }): [string, SiteFile] => [name, imageFile(source)]),
    ["search-index.json", { mediaType: "application/json", content: index }],
    ["guide.css", { mediaType: "text/css; charset=utf-8", content: style }],
    ["search.js", { mediaType: "text/javascript; charset=utf-8", content: script }],
    ["icon.svg", { mediaType: "image/svg+xml", content: read("site/icon.svg") }],
    ["api", { mediaType: "text/html; charset=utf-8", content: apiPage(versionOf(apiStyle + apiScript)) }],
    ["api.css", { mediaType: "text/css; charset=utf-8", content: apiStyle }],
    ["api.js", { mediaType: "text/javascript; charset=utf-8", content: apiScript }],
  ]);
}
