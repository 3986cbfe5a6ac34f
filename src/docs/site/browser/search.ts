import MiniSearch from "minisearch";

import { type Found, SEARCH_OPTIONS } from "../search-options.ts";

/*
 * The search of the guide, in the browser. The field appears only where scripts run, and the index is loaded when somebody
 * goes to the field. Arrow keys choose a result, Enter opens it, Escape closes the list, and `/` goes to the field.
 */

const MOST_RESULTS = 12;

type Index = MiniSearch<Found>;

function find(index: Index, query: string): readonly Found[] {
  const all = index.search(query, { combineWith: "AND" });
  const results = all.length > 0 ? all : index.search(query);
  return results.slice(0, MOST_RESULTS).map(({ id, page, title }) => ({
    address: String(id),
    page: String(page),
    title: String(title),
  }));
}

function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string>>,
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function resultItem({ address, page, title }: Found, index: number, root: URL): HTMLElement {
  const item = element("li", { role: "option", id: `result-${index}`, "aria-selected": "false" });
  const link = element("a", { href: new URL(address, root).href, tabindex: "-1" });
  link.append(title);
  if (title !== page) {
    const where = element("small", {});
    where.append(page);
    link.append(" ", where);
  }
  item.append(link);
  return item;
}

/** Loads the index, which is beside the script, once; after a failure the next call tries again. */
function indexLoader(script: URL): () => Promise<Index> {
  const load = async (): Promise<Index> => {
    const response = await fetch(new URL(`search-index.json${script.search}`, script));
    if (!response.ok) throw new Error(`The search index answered ${response.status}`);
    return MiniSearch.loadJSON<Found>(await response.text(), SEARCH_OPTIONS);
  };
  let loading: Promise<Index> | null = null;
  return () => {
    loading ??= load().catch((error: unknown) => {
      loading = null;
      throw error;
    });
    return loading;
  };
}

/** The list of results below the field, one of which is selected. */
function createResults(input: HTMLInputElement, root: URL) {
  const list = element("ul", { id: "results", role: "listbox", "aria-label": "Results", hidden: "" });
  const status = element("p", { role: "status" });
  let selected = -1;
  const select = (index: number): void => {
    const items = [...list.children];
    selected = items.length === 0 ? -1 : (index + items.length) % items.length;
    for (const [at, item] of items.entries()) item.setAttribute("aria-selected", String(at === selected));
    if (selected === -1) input.removeAttribute("aria-activedescendant");
    else input.setAttribute("aria-activedescendant", `result-${selected}`);
    items[selected]?.scrollIntoView({ block: "nearest" });
  };
  const show = (results: readonly Found[], message = ""): void => {
    list.replaceChildren(...results.map((result, index) => resultItem(result, index, root)));
    list.hidden = results.length === 0;
    status.textContent = message;
    input.setAttribute("aria-expanded", String(results.length > 0));
    select(0);
  };
  return {
    elements: [list, status],
    show,
    close: () => show([]),
    move: (steps: number) => select(selected + steps),
    open: () => list.children[selected]?.querySelector("a")?.click(),
  };
}

function isTyping({ target }: Event): boolean {
  return target instanceof HTMLElement && target.matches("input, textarea, select");
}

/**
 * Puts the search into the page.
 *
 * @param place The element that holds the field and the list.
 * @param script Address of this script; the index is beside it.
 */
export function installSearch(place: HTMLElement, script: URL): void {
  const input = element("input", {
    type: "search",
    role: "combobox",
    placeholder: "Search  /",
    "aria-label": "Search the guide",
    "aria-autocomplete": "list",
    "aria-expanded": "false",
    "aria-controls": "results",
    autocomplete: "off",
  });
  const results = createResults(input, new URL(".", script));
  place.append(input, ...results.elements);
  place.hidden = false;

  const loadIndex = indexLoader(script);
  const search = async (): Promise<void> => {
    const query = input.value.trim();
    if (query === "") return results.close();
    try {
      const found = find(await loadIndex(), query);
      // The user may have typed on while the index was loaded.
      if (input.value.trim() === query) results.show(found, found.length === 0 ? "Nothing found" : "");
    } catch {
      results.show([], "The search index could not be loaded");
    }
  };

  input.addEventListener("focus", () => void loadIndex().catch(() => {}));
  input.addEventListener("input", () => void search());
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") results.close();
    if (event.key === "Enter") results.open();
    if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
    event.preventDefault();
    results.move(event.key === "ArrowDown" ? 1 : -1);
  });
  place.addEventListener("focusout", ({ relatedTarget }) => {
    if (!(relatedTarget instanceof Node && place.contains(relatedTarget))) results.close();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || isTyping(event)) return;
    event.preventDefault();
    input.focus();
  });
}
