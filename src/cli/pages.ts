import type { Server } from "./server.ts";

/** Events of one page as the server wrote them: CloudEvents, one a line. */
export interface LinesPage {
  readonly lines: readonly string[];
  /** Position of the last event. */
  readonly last: number;
  /** Position of the last event of the log when the page was read. */
  readonly head: number;
}

/** Most events asked for in one page: the server's own default, which it always gives. */
const PAGE_EVENTS = 1_000;

interface Page extends LinesPage {
  readonly hasMore: boolean;
}

export function positionOf(line: string): number {
  const id = /^\{"specversion":"1\.0","id":"(\d+)"/.exec(line)?.[1];
  return Number(id ?? (JSON.parse(line) as { id: unknown }).id);
}

function pageOf(response: Response, text: string, backwards: boolean): Page {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  const last = lines.at(-1);
  // A page of the log's end may grow, so it is not for ever; backwards the log ends where there is no next page.
  const isFull = backwards
    ? /rel="?next"?/.test(response.headers.get("link") ?? "")
    : (response.headers.get("cache-control") ?? "").includes("immutable");
  return {
    lines,
    last: last === undefined ? 0 : positionOf(last),
    head: Number(response.headers.get("kilde-head") ?? 0),
    hasMore: isFull && lines.length > 0,
  };
}

/** Reads the log or a stream to its end, or `most` events of it; a page ahead of whoever takes them. */
export async function* readPages(
  { request }: Server,
  path: string,
  query: URLSearchParams,
  most = Number.POSITIVE_INFINITY,
): AsyncGenerator<LinesPage, void, undefined> {
  const backwards = query.get("direction") === "backwards";
  const fetchPage = async (after: number | null, left: number): Promise<Page> => {
    const parameters = new URLSearchParams(query);
    if (after !== null) parameters.set("lastEventId", String(after));
    if (left < PAGE_EVENTS) parameters.set("limit", String(left));
    const headers = { accept: "application/x-ndjson" };
    return request(`${path}?${parameters}`, { headers }, async (response) =>
      pageOf(response, await response.text(), backwards),
    );
  };

  let left = most;
  let next: Promise<Page> | null = left > 0 ? fetchPage(null, left) : null;
  while (next !== null) {
    const page: Page = await next;
    left -= page.lines.length;
    next = page.hasMore && left > 0 ? fetchPage(page.last, left) : null;
    // Whoever takes the page may stop here: what was asked for ahead then fails with nobody to tell.
    next?.catch(() => {});
    if (page.lines.length > 0) yield page;
  }
}
