import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

import { Glob } from "bun";

const ROOT = join(import.meta.dir, "..");

/** Pages outside of the guide. */
const PAGES = ["*.md", ".github/*.md", "src/README.md", "src/*/README.md", "test/examples/*/README.md"]
  .flatMap((pattern) => [...new Glob(pattern).scanSync({ cwd: ROOT, dot: true })])
  .toSorted();

const textOf = (page: string) => readFileSync(join(ROOT, page), "utf8");

/** A heading's anchor, as GitHub makes it. */
function anchorOf(heading: string): string {
  const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
  return plain.replaceAll(/[^\p{Letter}\p{Number}\- _]/gu, "").replaceAll(" ", "-");
}

function anchorsOf(page: string): string[] {
  return [...textOf(page).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => anchorOf(heading));
}

function isBroken(page: string, link: string): boolean {
  const [path = "", anchor] = link.split("#");
  const target = path === "" ? page : join(dirname(page), path);
  if (!existsSync(join(ROOT, target))) return true;
  return anchor !== undefined && target.endsWith(".md") && !anchorsOf(target).includes(anchor);
}

test("links of pages outside of the guide lead somewhere", () => {
  const broken = PAGES.flatMap((page) =>
    [...textOf(page).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, link = ""]) => link)
      .filter((link) => !/^https?:/.test(link) && isBroken(page, link))
      .map((link) => `${page}: ${link}`),
  );
  expect(broken).toEqual([]);
  expect(PAGES.length).toBeGreaterThan(15);
});

test("files that a README of the source names exist", () => {
  const missing = PAGES.filter((page) => page.startsWith("src/")).flatMap((page) =>
    [...textOf(page).matchAll(/`([\w/-]+\.ts)`/g)]
      .map(([, file = ""]) => file)
      .filter(
        (file) =>
          ![join(dirname(page), file), join("src", file), file].some((path) => existsSync(join(ROOT, path))),
      )
      .map((file) => `${page}: ${file}`),
  );
  expect(missing).toEqual([]);
});

test("the README and the map stay short", () => {
  expect(Buffer.byteLength(textOf("README.md"))).toBeLessThanOrEqual(9_000);
  expect(Buffer.byteLength(textOf("src/README.md"))).toBeLessThanOrEqual(10_000);
});
