import { marked, type Token, type Tokens } from "marked";

/** A diagram of a page, which GitHub draws from its text. The site shows the image that was drawn before. */
export interface Diagram {
  /** Name of its file in `src/docs/diagrams`, without the extension. */
  readonly name: string;
  /** In Mermaid's language. */
  readonly text: string;
}

/** Name of the n-th diagram of a page, from 1. */
export function diagramName(file: string, number: number): string {
  return `${file.replace(/\.md$/, "").replaceAll("/", "-")}-${number}`;
}

/** The diagrams of a Markdown page, in order. */
export function diagramsOf(file: string, markdown: string): readonly Diagram[] {
  const diagrams: Diagram[] = [];
  void marked.walkTokens(marked.lexer(markdown) as Token[], (token) => {
    if (token.type !== "code" || (token as Tokens.Code).lang !== "mermaid") return;
    const name = diagramName(file, diagrams.length + 1);
    diagrams.push({ name, text: (token as Tokens.Code).text });
  });
  return diagrams;
}
