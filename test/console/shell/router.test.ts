import { expect, test } from "bun:test";

import { createRouter, type RouterWindow } from "../../../src/console/shell/router.ts";

interface OpenedWindow {
  readonly window: RouterWindow;
  readonly entries: readonly string[];
  back(href: string): void;
}

/** A window at an address, with the parts that a router uses. */
function openWindow(href: string): OpenedWindow {
  const entries = [href];
  const location = { pathname: "", search: "", origin: "https://kilde.test", href: "" };
  const listeners: (() => void)[] = [];
  const show = (target: string): void => {
    const { pathname, search, href: full } = new URL(target, location.origin);
    Object.assign(location, { pathname, search, href: full });
  };
  show(href);
  const history = {
    pushState(_: unknown, __: string, target: string) {
      entries.push(target);
      show(target);
    },
    replaceState(_: unknown, __: string, target: string) {
      entries[entries.length - 1] = target;
      show(target);
    },
  };
  const window = {
    history,
    location,
    document: { addEventListener() {} },
    addEventListener: (_: string, listener: () => void) => listeners.push(listener),
  } as unknown as RouterWindow;
  return {
    window,
    entries,
    back(target) {
      show(target);
      for (const listener of listeners) listener();
    },
  };
}

test("router: an address names a view, its parts and its state", () => {
  const { window } = openWindow("/shop/console/feeds/declarations/v2?form=raw");
  const { view, rest, query } = createRouter(window, "/shop/console").address.value;
  expect([view, rest, query.get("form")]).toEqual(["feeds", ["declarations", "v2"], "raw"]);
});

test("router: the root of the console is the overview", () => {
  const router = createRouter(openWindow("/console").window, "/console");
  expect(router.address.value.view).toBe("overview");
  expect(router.href("overview")).toBe("/console");
});

test("router: a name with any characters survives its address", () => {
  const { window } = openWindow("/console");
  const router = createRouter(window, "/console");
  const name = "a/b ?&#%<script>ø";
  router.go(router.href("stream", { name, version: undefined }));
  expect(router.address.value.view).toBe("stream");
  expect(router.address.value.query.get("name")).toBe(name);
});

test("router: typed text replaces the entry of the history, and the back button shows the entry before", () => {
  const { window, entries, back } = openWindow("/console");
  const router = createRouter(window, "/console");
  router.go(router.href("streams"));
  router.go(router.href("streams", { prefix: "u" }), { replace: true });
  expect(entries).toEqual(["/console", "/console/streams?prefix=u"]);
  back("/console");
  expect(router.address.value.view).toBe("overview");
});

test("router: a malformed escape names no view, and throws nothing", () => {
  const { window } = openWindow("/console/%ff");
  expect(createRouter(window, "/console").address.value.view).toBe("%ff");
});
