import { decodeSegment } from "../format/decode-segment.ts";

import { type ReadonlySignal, signal } from "@preact/signals";

/** The view that an address names, and its state. */
export interface ViewAddress {
  readonly view: string;
  /** Segments of the path after the name of the view, decoded. */
  readonly rest: readonly string[];
  readonly query: URLSearchParams;
}

/** Values of a query; the undefined ones are left out. */
export type QueryValues = Readonly<Record<string, string | number | undefined>>;

export interface NavigateOptions {
  /** Replaces the current entry of the history, as for text that the user types. */
  readonly replace?: boolean;
}

/** Keeps the address of the page and the shown view the same. */
export interface Router {
  readonly address: ReadonlySignal<ViewAddress>;
  /** Returns the address of a view, or of a part of it such as `feeds/declarations/v2`. */
  href(view: string, query?: QueryValues): string;
  go(href: string, options?: NavigateOptions): void;
}

/** The view at the root of the console. */
export const HOME_VIEW = "overview";

/** The parts of a window that a router uses. */
export interface RouterWindow extends Pick<Window, "history" | "location" | "addEventListener"> {
  readonly document: Pick<Document, "addEventListener">;
}

function isPlainClick({ button, altKey, ctrlKey, metaKey, shiftKey, defaultPrevented }: MouseEvent): boolean {
  return button === 0 && !altKey && !ctrlKey && !metaKey && !shiftKey && !defaultPrevented;
}

/** The link that a click follows in the same window; null: it follows none. */
function clickedLink(event: MouseEvent): HTMLAnchorElement | null {
  if (!isPlainClick(event) || !(event.target instanceof Element)) return null;
  const link = event.target.closest("a");
  return link === null || link.target !== "" || link.hasAttribute("download") ? null : link;
}

/**
 * Creates a router on the History API.
 *
 * @param root Path of the console, such as `/console`.
 */
export function createRouter(window: RouterWindow, root: string): Router {
  const { history, location, document } = window;

  const isOwn = (path: string): boolean => path === root || path.startsWith(`${root}/`);
  const current = (): ViewAddress => {
    const [view = "", ...rest] = location.pathname
      .slice(root.length + 1)
      .split("/")
      .map(decodeSegment);
    return { view: view === "" ? HOME_VIEW : view, rest, query: new URLSearchParams(location.search) };
  };
  const address = signal(current());

  const go = (href: string, { replace = false }: NavigateOptions = {}): void => {
    if (replace) history.replaceState(null, "", href);
    else history.pushState(null, "", href);
    address.value = current();
  };

  window.addEventListener("popstate", () => {
    address.value = current();
  });
  document.addEventListener("click", (event) => {
    const link = clickedLink(event);
    if (link === null || link.origin !== location.origin || !isOwn(link.pathname)) return;
    event.preventDefault();
    if (link.href !== location.href) go(link.href);
  });

  return {
    address,
    go,
    href(view, query = {}) {
      const parameters = new URLSearchParams();
      for (const [name, value] of Object.entries(query)) {
        if (value !== undefined && value !== "") parameters.set(name, String(value));
      }
      const text = parameters.toString();
      return `${view === HOME_VIEW ? root : `${root}/${view}`}${text === "" ? "" : `?${text}`}`;
    },
  };
}
