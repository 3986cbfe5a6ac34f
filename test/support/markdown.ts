import { readFileSync } from "node:fs";
import { join } from "node:path";

/** A fenced block of code in a page of documentation. */
export interface CodeBlock {
  readonly page: string;
  /** Path of the page, from the root of the project, and the block's line. */
  readonly place: string;
  readonly language: string;
  /** Words after the language: `fails` marks a command that the page shows as refused. */
  readonly marks: readonly string[];
  readonly code: string;
}

const ROOT = join(import.meta.dir, "../..");

/**
 * The pages for users: the README, the guide, and every README of the examples. The reference is not among them: it is
 * generated from the code, and its commands are those of `--help`.
 */
const PAGES = ["README.md", "src/docs/**/*.md", "test/examples/*/README.md"];

interface OpenBlock {
  readonly line: number;
  readonly indent: number;
  readonly language: string;
  readonly marks: readonly string[];
  readonly lines: string[];
}

function blocksOf({ page, text }: { readonly page: string; readonly text: string }): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  let open: OpenBlock | null = null;
  for (const [index, line] of text.split("\n").entries()) {
    const [, indent = "", info] = /^(\s*)```(.*)$/.exec(line) ?? [];
    if (open !== null) {
      if (info === "") {
        const { language, marks, lines } = open;
        blocks.push({ page, place: `${page}:${open.line}`, language, marks, code: lines.join("\n") });
        open = null;
      } else open.lines.push(line.slice(open.indent));
    } else if (info !== undefined) {
      const [language = "", ...marks] = info.trim().split(/\s+/);
      open = { line: index + 1, indent: indent.length, language, marks, lines: [] };
    }
  }
  return blocks;
}

/** The pages, by path. */
export function documentedText(): readonly { readonly page: string; readonly text: string }[] {
  const pages = PAGES.flatMap((pattern) => [...new Bun.Glob(pattern).scanSync({ cwd: ROOT })]);
  const written = pages.filter((page) => !page.startsWith("src/docs/reference/"));
  return written.toSorted().map((page) => ({ page, text: readFileSync(join(ROOT, page), "utf8") }));
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
