import GithubSlugger from "github-slugger";
import { Marked, Renderer, type Token, type Tokens } from "marked";

import { escapeHtml } from "./escape-html.ts";
import { rootOf, siteImage, type SiteImage, siteLink } from "./site-link.ts";

/** A heading and the text below it, up to the next heading. */
export interface PageSection {
  /** Anchor of the heading, the one that GitHub gives it; empty for the page's title. */
  readonly anchor: string;
  readonly depth: number;
  readonly title: string;
  readonly text: string;
}

export interface DocsPage {
  /** Path below `src/docs`. */
  readonly file: string;
  readonly title: string;
  readonly html: string;
  readonly sections: readonly PageSection[];
  readonly images: readonly SiteImage[];
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&lt;": "<",
  "&gt;": ">",
  "&amp;": "&",
  "&quot;": '"',
  "&#39;": "'",
};

function plainText(html: string): string {
  return html
    .replaceAll(/<[^>]+>/g, " ")
    .replaceAll(/&(?:lt|gt|amp|quot|#39);/g, (entity) => ENTITIES[entity] ?? entity)
    .replaceAll(/\s+/g, " ")
    .trim();
}

/** A cell with the name of its column, which narrow screens show above it. */
type NamedCell = Tokens.TableCell & { readonly column?: string };

/** Names the cells of all columns but the first, which is the name of the row. */
function nameCells(table: Tokens.Table): Tokens.Table {
  const named = (cell: Tokens.TableCell, index: number): NamedCell => {
    const column = table.header[index]?.text ?? "";
    return index === 0 || column === "" ? cell : { ...cell, column: column.replaceAll("`", "") };
  };
  return { ...table, rows: table.rows.map((row) => row.map(named)) };
}

/** Renders code and tables so that the keyboard can scroll them sideways. */
function createMarked(file: string, images: SiteImage[]): Marked {
  return new Marked({
    renderer: {
      link({ href, tokens }) {
        const text = this.parser.parseInline(tokens);
        const link = siteLink(file, href);
        return link === null ? text : `<a href="${escapeHtml(link)}">${text}</a>`;
      },
      image({ href, text }) {
        const image = siteImage(file, href);
        images.push(image);
        return `<img src="${rootOf(file)}${escapeHtml(image.name)}" alt="${escapeHtml(text)}">`;
      },
      code({ text, lang = "" }) {
        const [language = ""] = lang.split(/\s/);
        return `<pre tabindex="0" data-language="${escapeHtml(language)}"><code>${escapeHtml(text)}</code></pre>\n`;
      },
      codespan(token) {
        const code = Renderer.prototype.codespan.call(this, token);
        return /\s/.test(token.text) ? code.replace("<code", '<code class="phrase"') : code;
      },
      table(token) {
        return `<div class="table" tabindex="0">${Renderer.prototype.table.call(this, nameCells(token))}</div>\n`;
      },
      tablecell(token: NamedCell) {
        const cell = Renderer.prototype.tablecell.call(this, token);
        if (token.column === undefined) return cell;
        return cell.replace("<td", `<td data-column="${escapeHtml(token.column)}"`);
      },
    },
  });
}

/** Renders one Markdown page. `file`: its path below `src/docs`. */
export function renderPage(file: string, markdown: string): DocsPage {
  const images: SiteImage[] = [];
  const marked = createMarked(file, images);
  const slugger = new GithubSlugger();
  const sections: { anchor: string; depth: number; title: string; text: string }[] = [];
  const parts: string[] = [];
  for (const token of marked.lexer(markdown) as Token[]) {
    const html = marked.parser([token]);
    if (token.type !== "heading") {
      const section = sections.at(-1);
      if (section !== undefined) section.text += `${plainText(html)} `;
      parts.push(html);
      continue;
    }
    const depth = Number(token["depth"]);
    const content = html.trim().replace(/^<h\d>|<\/h\d>$/g, "");
    const title = plainText(content.replaceAll(/<[^>]+>/g, ""));
    const anchor = slugger.slug(title);
    sections.push({ anchor: depth === 1 ? "" : anchor, depth, title, text: "" });
    const mark =
      depth === 1 ? "" : ` <a class="anchor" href="#${anchor}" aria-label="Link to this section">#</a>`;
    parts.push(`<h${depth} id="${anchor}">${content}${mark}</h${depth}>\n`);
  }
  const title = sections.find(({ depth }) => depth === 1)?.title ?? file;
  return { file, title, html: parts.join(""), sections, images };
}
