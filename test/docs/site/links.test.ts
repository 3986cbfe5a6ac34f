import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";

import { marked, type Token, type Tokens } from "marked";

import { parseContents } from "../../../src/docs/site/contents.ts";
import { PAGES_FOLDER, renderPages, renderSite } from "../../../src/docs/site/render-site.ts";
import { HOME } from "../../../src/docs/site/site-link.ts";

const ROOT = join(PAGES_FOLDER, "../..");
const GUIDE = "src/docs/";

const pages = renderPages();
/** The anchors of each page of the guide, by its path from the root of the project. */
const anchors = new Map(
  pages.map(({ file, html }) => [
    GUIDE + file,
    new Set([...html.matchAll(/<h\d id="([^"]+)"/g)].map(([, id]) => id)),
  ]),
);

function linksOf(markdown: string): string[] {
  const links: string[] = [];
  void marked.walkTokens(marked.lexer(markdown) as Token[], (token) => {
    if (token.type === "link" || token.type === "image") links.push((token as Tokens.Link).href);
  });
  return links;
}

/** Returns why a link of a Markdown file leads nowhere, or null. */
function faultOf(file: string, href: string): string | null {
  if (/^[a-z]+:/.test(href)) return null;
  const [path = "", fragment] = href.split("#");
  const target = path === "" ? file : posix.normalize(posix.join(posix.dirname(file), path));
  if (!existsSync(join(ROOT, target))) return "there is no such file";
  const known = anchors.get(target);
  if (fragment === undefined || known === undefined || known.has(fragment)) return null;
  return "the page has no such heading";
}

test("links: each link of the guide and of the README leads to a file and a heading", () => {
  const files = ["README.md", ...pages.map(({ file }) => GUIDE + file)];
  const links = files.flatMap((file) =>
    linksOf(readFileSync(join(ROOT, file), "utf8")).map((href) => ({ file, href })),
  );
  const faults = links.flatMap(({ file, href }) => {
    const fault = faultOf(file, href);
    return fault === null ? [] : [`${file}: ${href}: ${fault}`];
  });
  expect(faults).toEqual([]);
  expect(links.length).toBeGreaterThan(100);
});

test("links: the home page lists every page", () => {
  const home = readFileSync(join(PAGES_FOLDER, HOME), "utf8");
  const listed = parseContents(home).flatMap(({ files }) => files);
  expect([HOME, ...listed].toSorted()).toEqual(pages.map(({ file }) => file).toSorted());
});

test("links: each link of the site leads to a file and a heading of the site, at the root and below a path", async () => {
  const site = await renderSite();
  for (const base of ["http://kilde.test/docs", "http://kilde.test/tenants/a/docs"]) {
    const faults: string[] = [];
    for (const [path, { mediaType, content }] of site) {
      if (!mediaType.startsWith("text/html")) continue;
      const address = path === "" ? base : `${base}/${path}`;
      for (const [, href = ""] of String(content).matchAll(/ (?:href|src)="([^"]+)"/g)) {
        const url = new URL(href, address);
        if (url.origin !== "http://kilde.test") continue;
        const name = url.href.replace(/[?#].*/, "").slice(base.length + 1);
        const file = url.href.startsWith(base) ? site.get(name) : undefined;
        const isForeign = name.startsWith("swagger-ui");
        const hasAnchor = url.hash === "" || String(file?.content).includes(` id="${url.hash.slice(1)}"`);
        if (!isForeign && (file === undefined || !hasAnchor)) faults.push(`${path}: ${href}`);
      }
    }
    expect(faults).toEqual([]);
  }
});
