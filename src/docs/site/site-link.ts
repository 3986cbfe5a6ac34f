import { posix } from "node:path";

/** The page that GitHub shows for the folder, and the site's home. */
export const HOME = "README.md";

/** Name of a page in the site: its file without the extension; empty for the home page. */
export function pageName(file: string): string {
  return file === HOME ? "" : file.replace(/\.md$/, "");
}

/**
 * Path from a page to the folder of the site. The home page is served at `/docs`, without a slash at the
 * end, so that names on it begin with `docs/`. Relative links hold below any base path.
 */
export function rootOf(file: string): string {
  return file === HOME ? "docs/" : "../".repeat(file.split("/").length - 1) || "./";
}

/** Link from a page to another page of the site, by their files. */
export function pageLink(from: string, to: string): string {
  if (to !== HOME) return rootOf(from) + pageName(to);
  return from === HOME ? "docs" : `${rootOf(from)}../docs`;
}

function targetOf(file: string, path: string): string {
  return posix.normalize(posix.join(posix.dirname(file), path));
}

/**
 * Link of the site for a link of a Markdown page: other pages by name, the rest as it is. Null: the link leads to a file
 * outside the guide, which the site does not have.
 */
export function siteLink(file: string, href: string): string | null {
  if (/^[a-z]+:|^#/.test(href)) return href;
  const [path = "", fragment] = href.split("#");
  const target = targetOf(file, path);
  if (target.startsWith("..") || !target.endsWith(".md")) return null;
  const link = pageLink(file, target);
  return fragment === undefined ? link : `${link}#${fragment}`;
}

/** An image of a page. */
export interface SiteImage {
  /** Path of the file from `src/docs`; it may lie outside. */
  readonly source: string;
  /** Its name in the site. */
  readonly name: string;
}

/** The image that a page shows by a relative path. */
export function siteImage(file: string, path: string): SiteImage {
  return { source: targetOf(file, path), name: `images/${posix.basename(path)}` };
}
