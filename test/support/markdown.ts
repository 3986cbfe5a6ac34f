import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A fenced block of code in a page of documentation. */
export interface CodeBlock {
  /** Path of the page, from the root of the project, and the block's line. */
  readonly place: string;
  readonly language: string;
  /** The heading that the block is under, without marks. */
  readonly heading: string;
  readonly code: string;
}

const ROOT = join(import.meta.dir, "../..");

/** The pages for users: whatever is in `docs`, and every README of the project's root and examples. */
const PAGES = ["README.md", "docs/**/*.md", "test/examples/*/README.md"];

function blocksOf({ page, text }: { readonly page: string; readonly text: string }): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let heading = "";
  let open: { readonly line: number; readonly language: string; readonly lines: string[] } | null = null;
  for (const [index, line] of text.split("\n").entries()) {
    const fence = /^\s*```(\S*)/.exec(line)?.[1];
    if (open !== null) {
      if (fence === "") {
        const { language, lines } = open;
        blocks.push({ place: `${page}:${open.line}`, language, heading, code: lines.join("\n") });
        open = null;
      } else open.lines.push(line);
    } else if (fence !== undefined) open = { line: index + 1, language: fence, lines: [] };
    else heading = /^#+ (.*)$/.exec(line)?.[1]?.replaceAll("`", "") ?? heading;
  }
  return blocks;
}

/** The pages, by path. */
export function documentedText(): readonly { readonly page: string; readonly text: string }[] {
  const pages = PAGES.flatMap((pattern) => [...new Bun.Glob(pattern).scanSync({ cwd: ROOT })]);
  return pages.toSorted().map((page) => ({ page, text: readFileSync(join(ROOT, page), "utf8") }));
}

/** The blocks of all pages, in order. */
export function documentedCode(): readonly CodeBlock[] {
  return documentedText().flatMap(blocksOf);
}

/** Commands of `kilde` that pages name in the text, as inline code. */
export function documentedCommands(): readonly { readonly place: string; readonly command: string }[] {
  return documentedText().flatMap(({ page, text }) =>
    text.split("\n").flatMap((line, index) =>
      [...line.matchAll(/`(kilde [a-z][^`]*)`/g)].map(([, command = ""]) => ({
        place: `${page}:${index + 1}`,
        command,
      })),
    ),
  );
}
