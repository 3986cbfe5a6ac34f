import MiniSearch from "minisearch";

import type { DocsPage } from "./page.ts";
import { type Found, SEARCH_OPTIONS } from "./search-options.ts";
import { pageName } from "./site-link.ts";

/** The index that browsers search: a document for each section of each page. Returns JSON. */
export function searchIndex(pages: readonly DocsPage[]): string {
  const index = new MiniSearch<Found & { readonly text: string }>(SEARCH_OPTIONS);
  for (const { file, title: page, sections } of pages) {
    for (const { anchor, title, text } of sections) {
      const address = pageName(file) + (anchor === "" ? "" : `#${anchor}`);
      index.add({ address, page, title, text });
    }
  }
  return JSON.stringify(index);
}
