import { posix } from "node:path";

/** A part of the table of contents. */
export interface ContentsSection {
  readonly title: string;
  /** Paths of its pages below `src/docs`, such as `start/first-stream.md`. */
  readonly files: readonly string[];
}

const HEADING = /^## (.+)$/;
const LINK = /\]\(([^)#:]+\.md)\)/g;

/**
 * Reads the table of contents from the guide's home page: each `##` heading is a section, with the pages that the text
 * below it links to. So the list that GitHub shows and the navigation of the site are one.
 */
export function parseContents(home: string): readonly ContentsSection[] {
  const sections: { title: string; files: string[] }[] = [];
  for (const line of home.split("\n")) {
    const heading = HEADING.exec(line)?.[1];
    if (heading !== undefined) sections.push({ title: heading, files: [] });
    const files = [...line.matchAll(LINK)].map(([, file = ""]) => posix.normalize(file));
    sections.at(-1)?.files.push(...files.filter((file) => !file.startsWith("..")));
  }
  return sections.filter(({ files }) => files.length > 0);
}
