import type { ContentsSection } from "./contents.ts";
import { escapeHtml } from "./escape-html.ts";
import type { DocsPage } from "./page.ts";
import { HOME, pageLink, rootOf } from "./site-link.ts";

export interface Layout {
  readonly contents: readonly ContentsSection[];
  /** Titles of the pages, by file. */
  readonly titles: ReadonlyMap<string, string>;
  /** Changes with the style and the scripts, so that browsers may keep them. */
  readonly assetVersion: string;
}

function navigation(page: DocsPage, { contents, titles }: Layout): string {
  const headings = page.sections.filter(({ depth }) => depth === 2);
  const onThisPage = `<ul>${headings
    .map(({ anchor, title }) => `<li><a href="#${anchor}">${escapeHtml(title)}</a></li>`)
    .join("")}</ul>`;
  const entry = (file: string): string => {
    const title = titles.get(file) ?? file;
    const isCurrent = file === page.file;
    const current = isCurrent ? ' aria-current="page"' : "";
    const inner = isCurrent && headings.length > 0 ? onThisPage : "";
    return `<li><a href="${pageLink(page.file, file)}"${current}>${escapeHtml(title)}</a>${inner}</li>`;
  };
  return contents
    .map(({ title, files }) => `<h2>${escapeHtml(title)}</h2>\n<ul>\n${files.map(entry).join("\n")}\n</ul>`)
    .join("\n");
}

function neighbors(page: DocsPage, { contents, titles }: Layout): string {
  const all = [HOME, ...contents.flatMap(({ files }) => files)];
  const index = all.indexOf(page.file);
  const link = (file: string | undefined, rel: string, label: string): string =>
    file === undefined
      ? ""
      : `<a rel="${rel}" href="${pageLink(page.file, file)}">${label} ${escapeHtml(titles.get(file) ?? file)}</a>`;
  const [previous, next] = index === -1 ? [] : [all[index - 1], all[index + 1]];
  return `${link(previous, "prev", "Previous:")}${link(next, "next", "Next:")}`;
}

/** The HTML document of a page of the guide. Links are relative, so that it works below any path. */
export function layOut(page: DocsPage, layout: Layout): string {
  const { assetVersion } = layout;
  const root = rootOf(page.file);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(page.title)} · Kilde</title>
<link rel="icon" href="${root}icon.svg">
<link rel="stylesheet" href="${root}guide.css?v=${assetVersion}">
<script type="module" src="${root}search.js?v=${assetVersion}"></script>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<header>
<a class="name" href="${pageLink(page.file, HOME)}">Kilde</a>
<search id="search" hidden></search>
<a class="menu" href="#contents">Contents</a>
<a href="${root}api">API browser</a>
</header>
<main id="content" tabindex="-1">
${page.html}<footer>${neighbors(page, layout)}</footer>
</main>
<nav id="contents" aria-label="Contents">
${navigation(page, layout)}
</nav>
</body>
</html>
`;
}
