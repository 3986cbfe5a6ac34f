import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";

import { parseHTML } from "linkedom";

import { installSearch } from "../../../src/docs/site/browser/search.ts";
import { renderSite } from "../../../src/docs/site/render-site.ts";
import { eventually } from "../../support/eventually.ts";

const SCRIPT = new URL("http://kilde.test/docs/search.js?v=1");
const GLOBALS = ["document", "HTMLElement", "Node", "fetch"] as const;
const original = Object.fromEntries(GLOBALS.map((name) => [name, Reflect.get(globalThis, name)]));

let index: string;
let requests: string[];
let isDown: boolean;
let input: HTMLInputElement;
let place: HTMLElement;

beforeAll(async () => {
  index = String((await renderSite()).get("search-index.json")?.content);
});
afterAll(() => void Object.assign(globalThis, original));

beforeEach(() => {
  const { document, HTMLElement, Node } = parseHTML(
    "<html><body><search id=search hidden></search></body></html>",
  );
  requests = [];
  isDown = false;
  const answer = (url: URL): Promise<Response> => {
    requests.push(url.href);
    return Promise.resolve(isDown ? new Response("", { status: 503 }) : new Response(index));
  };
  Object.assign(globalThis, { document, HTMLElement, Node, fetch: answer });
  // The document of the test draws nothing, so that there is nothing to scroll.
  HTMLElement.prototype.scrollIntoView = () => {};
  const found = document.querySelector<HTMLElement>("#search");
  if (found === null) throw new Error("the page has no place for the search");
  place = found;
  installSearch(place, SCRIPT);
  const field = place.querySelector("input");
  if (field === null) throw new Error("the search has no field");
  input = field;
});

function dispatch(type: string, members: object = {}): void {
  const event = new (document.defaultView?.Event ?? Event)(type, { bubbles: true, cancelable: true });
  input.dispatchEvent(Object.assign(event, members));
}

async function typed(query: string): Promise<void> {
  input.value = query;
  dispatch("input");
  await eventually(
    () => place.querySelector("ul")?.hidden === false || place.querySelector("p")?.textContent !== "",
  );
}

const selected = () => place.querySelector('[aria-selected="true"] a')?.getAttribute("href");

test("search: the field appears, and the index is loaded once, when somebody goes to the field", async () => {
  expect([place.hidden, requests]).toEqual([false, []]);
  dispatch("focus");
  await typed("erase");
  await typed("halted");
  expect(requests).toEqual(["http://kilde.test/docs/search-index.json?v=1"]);
});

test("search: arrow keys choose a result, and Escape closes the list", async () => {
  await typed("erase data");
  const first = selected();
  expect(first).toStartWith("http://kilde.test/docs/");
  dispatch("keydown", { key: "ArrowDown" });
  expect(selected()).not.toBe(first);
  expect(input.getAttribute("aria-activedescendant")).toBe("result-1");
  dispatch("keydown", { key: "ArrowUp" });
  expect(selected()).toBe(first);
  dispatch("keydown", { key: "Escape" });
  expect([place.querySelector("ul")?.hidden, input.getAttribute("aria-expanded")]).toEqual([true, "false"]);
});

test("search: Enter opens the selected result", async () => {
  await typed("erase data");
  const opened: (string | null)[] = [];
  for (const link of place.querySelectorAll("a"))
    link.click = () => void opened.push(link.getAttribute("href"));
  const address = selected();
  dispatch("keydown", { key: "Enter" });
  expect(opened).toEqual([address ?? ""]);
});

test("search: it reports that nothing was found", async () => {
  await typed("qqqqqqqq");
  expect(place.querySelector('[role="status"]')?.textContent).toBe("Nothing found");
});

test("search: it reports that the index could not be loaded, and loads it with the next input", async () => {
  isDown = true;
  await typed("erase");
  expect(place.querySelector('[role="status"]')?.textContent).toContain("could not be loaded");
  isDown = false;
  await typed("erase d");
  await eventually(() => place.querySelectorAll("li").length > 0);
  expect(selected()).toStartWith("http://kilde.test/docs/");
});
