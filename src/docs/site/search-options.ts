import type { Options } from "minisearch";

/** A section that a search finds. */
export interface Found {
  /** Its address below `/docs/`. */
  readonly address: string;
  /** Title of its page. */
  readonly page: string;
  readonly title: string;
}

/** How the guide is indexed. The browser loads the index with the same options. */
export const SEARCH_OPTIONS: Options = {
  idField: "address",
  fields: ["title", "page", "text"],
  storeFields: ["title", "page"],
  searchOptions: {
    boost: { title: 4, page: 2 },
    prefix: true,
    fuzzy: (term) => (term.length > 4 ? 0.2 : false),
  },
};
