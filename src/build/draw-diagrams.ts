import { readFileSync } from "node:fs";
import { join } from "node:path";

import { renderMermaidSVG } from "beautiful-mermaid";

import { diagramsOf } from "../docs/site/diagrams.ts";
import { PAGES_FOLDER } from "../docs/site/render-site.ts";

export const DIAGRAMS_FOLDER = join(PAGES_FOLDER, "diagrams");

/** Draws the diagrams of the guide. Returns SVG texts by the names of their files. */
export function drawDiagrams(): ReadonlyMap<string, string> {
  const files = [...new Bun.Glob("**/*.md").scanSync(PAGES_FOLDER)].toSorted();
  const diagrams = files.flatMap((file) => diagramsOf(file, readFileSync(join(PAGES_FOLDER, file), "utf8")));
  return new Map(
    diagrams.map(({ name, text }) => {
      // The server's pages load nothing from elsewhere, so the font is one of the machine's.
      const svg = renderMermaidSVG(text, { font: "system-ui" }).replace(/^\s*@import .*\n/m, "");
      return [`${name}.svg`, `${svg.trim()}\n`];
    }),
  );
}
