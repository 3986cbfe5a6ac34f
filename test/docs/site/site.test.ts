import { beforeAll, expect, test } from "bun:test";

import MiniSearch from "minisearch";

import { renderPage } from "../../../src/docs/site/page.ts";
import { renderSite, type SiteFile } from "../../../src/docs/site/render-site.ts";
import { type Found, SEARCH_OPTIONS } from "../../../src/docs/site/search-options.ts";

let site: ReadonlyMap<string, SiteFile>;
beforeAll(async () => {
  site = await renderSite();
});

test("site: headings have the anchors of GitHub, and titles of equal text differ", () => {
  const { html, sections } = renderPage(
    "a.md",
    "# A\n\n## `data` & more\n\nText <b>\n\n## Twice\n\n## Twice\n",
  );
  expect(sections.map(({ anchor }) => anchor)).toEqual(["", "data--more", "twice", "twice-1"]);
  expect(html).toContain('<h2 id="data--more"><code>data</code> &amp; more');
});

test("site: a link to a file outside the guide becomes its text", () => {
  const { html } = renderPage(
    "how-to/a.md",
    "[b](../b.md#c) [x](../../../test/examples/x) [y](https://y.test)",
  );
  expect(html).toBe('<p><a href="../b#c">b</a> x <a href="https://y.test">y</a></p>\n');
});

test("site: a cell names its column for narrow screens, except in the first column", () => {
  const { html } = renderPage("a.md", "| `name` | `what` it does |\n| --- | --- |\n| `a-b` | stops |\n");
  expect(html).toContain('<td><code>a-b</code></td>\n<td data-column="what it does">stops</td>');
});

test("site: every document has a title that ends with the product, an icon and a language", () => {
  const titles = [...site.values()]
    .filter(({ mediaType }) => mediaType.startsWith("text/html"))
    .map(({ content }) => {
      expect(String(content)).toMatch(
        /<html lang="en">[\s\S]*<link rel="icon" href="(?:\.\.\/|\.\/|docs\/)?icon\.svg">/,
      );
      return /<title>(.*)<\/title>/.exec(String(content))?.[1] ?? "";
    });
  expect(titles.filter((title) => !title.endsWith(" · Kilde"))).toEqual([]);
  expect(new Set(titles).size).toBe(titles.length);
});

test("site: no page has an inline script or style, or loads anything from elsewhere", () => {
  for (const [path, { mediaType, content }] of site) {
    if (!mediaType.startsWith("text/html")) continue;
    const inline = /<script(?![^>]* src=)|<style|<[^>]* (?:style|on[a-z]+)=/.exec(String(content))?.[0];
    const foreign = /<(?:script|link|img)[^>]*(?:src|href)="(?:https?:)?\/\//.exec(String(content))?.[0];
    expect([path, inline, foreign]).toEqual([path, undefined, undefined]);
  }
});

test("site: it is small: a page takes at most 400 kB, search and style at most 40 kB", () => {
  for (const { mediaType, content } of site.values()) {
    if (mediaType.startsWith("text/html")) expect(content.length).toBeLessThan(400_000);
  }
  const assets = (site.get("search.js")?.content.length ?? 0) + (site.get("guide.css")?.content.length ?? 0);
  expect(assets).toBeGreaterThan(1_000);
  expect(assets).toBeLessThan(40_000);
});

test.each([
  ["existing database", "how-to/adopt-beside-a-database"],
  ["halted feed", "how-to/fix-a-halted-feed"],
  ["erase", "how-to/erase-data"],
])("site: a search for %s finds the page about it first", (query, page) => {
  const index = MiniSearch.loadJSON<Found>(String(site.get("search-index.json")?.content), SEARCH_OPTIONS);
  const found = index.search(query, { combineWith: "AND" }).map(({ id }) => String(id).split("#")[0]);
  expect(found.slice(0, 3)).toContain(page);
});

test("site: pictures take at most 80 kB each, and are what their media type states", () => {
  const pictures = [...site].filter(([, { mediaType }]) => mediaType === "image/webp");
  expect(pictures.length).toBeGreaterThan(0);
  for (const [path, { content }] of pictures) {
    expect([path, content.length < 80_000]).toEqual([path, true]);
    expect(new TextDecoder().decode(Buffer.from(content as Uint8Array).subarray(8, 12))).toBe("WEBP");
  }
});

test("site: the address of every style and script has a version, since caches keep them for a day", () => {
  const addresses = [...site.values()]
    .filter(({ mediaType }) => mediaType.startsWith("text/html"))
    .flatMap(({ content }) => [
      ...String(content).matchAll(/(?:href|src)="([^":]+\.(?:css|js)(?:\?[^"]*)?)"/g),
    ])
    .map(([, address]) => address ?? "");
  expect(addresses.some((address) => address.startsWith("api.js"))).toBe(true);
  expect(addresses.filter((address) => !/\?v=[\w.]+$/.test(address))).toEqual([]);
});
